import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createAccount } from '@nats-io/nkeys'
import { startLocalStack, type LocalStack } from '../../../src/dev/stack.ts'
import { callout } from '../../unit/cli/recorded-io.ts'

let stack: LocalStack
before(async () => {
  stack = await startLocalStack({ operator: true })
  await stack.startService()
})
after(() => stack?.[Symbol.asyncDispose]())

/** Runs it with a configuration that is changed like this. */
async function doctor(edit: (yaml: string) => string = (yaml) => yaml): Promise<{ exitCode: number; stdout: string }> {
  const file = path.join(stack.directory, 'edited.yaml')
  await writeFile(file, edit(await readFile(stack.configFile, 'utf8')))
  return callout(['doctor', '--config', file], { SPANNER_EMULATOR_HOST: stack.emulator.host })
}

suite('doctor, in operator mode,', () => {
  test('finds a set-up made by "keys generate --operator" well, with the service user that it made for the system account', async () => {
    const { exitCode, stdout } = await doctor()
    assert.equal(exitCode, 0, stdout)
    assert.doesNotMatch(stdout, /^(?:warn|FAIL|skipped(?! +store\.plans ))/m, stdout)
    assert.match(stdout, /^ok +callout\.mode +operator mode;/m)
  })

  test('finds an account that the JWT of the callout account does not allow', async () => {
    const other = createAccount().getPublicKey()
    const { stdout } = await doctor((yaml) => yaml.replace(/(?<="OPS":\s+public_key: )A\w+/, other))
    assert.match(stdout, new RegExp(`^FAIL +callout\\.mode +allowed_accounts .* does not name OPS, ${other}$`, 'm'))
  })

  test('finds keys that do not sign for their accounts', async () => {
    const { stdout } = await doctor((yaml) =>
      yaml
        .replace('account-APP.nk', 'x')
        .replace('account-OPS.nk', 'account-APP.nk')
        .replace('/x"', '/account-OPS.nk"'),
    )
    for (const name of ['APP', 'OPS'])
      assert.match(
        stdout,
        new RegExp(`^FAIL +callout\\.mode +A\\w+, with which user JWTs for ${name} are signed, is no signing key`, 'm'),
      )
  })

  test('finds that the configuration is for the other mode', async () => {
    const { exitCode, stdout } = await doctor((yaml) =>
      yaml.replace(/ *issuer_account: .*\n/, '').replace(/accounts:\n(?: +.*\n)+/, 'accounts: { APP: {} }\n'),
    )
    assert.equal(exitCode, 1)
    assert.match(stdout, /^FAIL +callout\.mode +server N\w+… runs in operator mode$/m)
  })
})
