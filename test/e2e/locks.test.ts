import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import { LOCAL_ISSUER_ID } from '../../src/dev/sample-policy.ts'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { judged } from '../support/clients.ts'
import { until } from '../support/spanner.ts'
import { callout, type CommandResult } from '../unit/cli/recorded-io.ts'

let stack: LocalStack

before(async () => {
  stack = await startLocalStack()
})
after(() => stack?.[Symbol.asyncDispose]())

async function lock(...argv: string[]): Promise<CommandResult> {
  const common = ['--config', stack.configFile, '--output', 'json']
  const result = await callout(['lock', ...argv, ...common], { SPANNER_EMULATOR_HOST: stack.emulator.host })
  assert.equal(result.exitCode, 0, result.stderr)
  return result
}

/** Locks the target for as long as `run` takes. */
async function whileLocked(target: string, run: () => Promise<void>, ...options: string[]): Promise<void> {
  const { stdout } = await lock('add', target, '--reason', 'a test', '--message', 'see INC-7', ...options)
  const [{ id } = assert.fail()] = JSON.parse(stdout) as { id: string }[]
  try {
    await run()
  } finally {
    await lock('remove', id, '--reason', 'a test')
  }
}

const service = (): Promise<string> => stack.provider.clientCredentials('orders-service')
const person = (): Promise<string> => stack.provider.deviceLogin('alice')

suite('a lock', () => {
  const targets: [target: string, token: () => Promise<string>][] = [
    [`user:${LOCAL_ISSUER_ID}:alice`, person],
    [`client:${LOCAL_ISSUER_ID}:orders-service`, service],
    [`group:${LOCAL_ISSUER_ID}:engineering`, person],
    [`issuer:${LOCAL_ISSUER_ID}`, service],
    ['account:APP', service],
    ['address:127.0.0.0/8', service],
    ['everyone', service],
  ]
  for (const [target, tokenOf] of targets) {
    test(`on ${target} refuses the client, the row says why, and it gets in when the lock is removed`, async () => {
      const token = await tokenOf()
      await whileLocked(target, async () => {
        const { admitted, rows } = await judged(stack, { token })
        assert.equal(admitted, false)
        assert.deepEqual(
          rows.map(({ reason, detail }) => [reason, detail]),
          [['locked', `${target}: see INC-7`]],
        )
      })
      assert.equal((await judged(stack, { token })).admitted, true)
    })
  }

  test('on a token refuses that token, and lets the next one of the same client in', async () => {
    const [stolen, fresh] = [await service(), await service()]
    const { jti } = decodeJwt(stolen)
    await whileLocked(`token:${LOCAL_ISSUER_ID}:${jti}`, async () => {
      assert.equal((await judged(stack, { token: stolen })).rows[0]?.reason, 'locked')
      assert.equal((await judged(stack, { token: fresh })).admitted, true)
    })
  })

  for (const target of ['account:OPS', 'address:10.0.0.0/8', 'address:::1/128', `user:${LOCAL_ISSUER_ID}:bob`]) {
    test(`on ${target} does not matter to others`, async () => {
      const token = await service()
      await whileLocked(target, async () => assert.equal((await judged(stack, { token })).admitted, true))
    })
  }

  test('that was only tried refuses nobody', async () => {
    await lock('add', 'everyone', '--reason', 'a test', '--dry-run')
    assert.equal((await judged(stack, { token: await service() })).admitted, true)
  })

  test('is lifted when it expires', async () => {
    const token = await service()
    const expires = new Date(Date.now() + 4000).toISOString()
    await whileLocked(
      'everyone',
      async () => {
        assert.equal((await judged(stack, { token })).rows[0]?.reason, 'locked')
        await until('the lock has expired', 10_000, async () => Date.now() > Date.parse(expires))
        assert.equal((await judged(stack, { token })).admitted, true)
      },
      '--until',
      expires,
    )
  })
})
