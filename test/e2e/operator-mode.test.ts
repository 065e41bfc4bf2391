import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import type { Account } from '@nats-io/jwt'
import { createAccount, fromSeed } from '@nats-io/nkeys'
import { startLocalStack, type LocalStack, type RunningService } from '../../src/dev/stack.ts'
import { administrate, type Administrator } from '../support/administrator.ts'
import { isAdmitted, judged, metric, notReady } from '../support/clients.ts'
import { seedOf, until } from '../support/nats.ts'
import { adding } from '../../src/service/policy-edit.ts'
import { SERVER_UNDER_TEST } from '../support/server-under-test.ts'

suite('in operator mode', () => {
  let stack: LocalStack
  let administrator: Administrator
  let running: RunningService
  before(async () => {
    stack = await startLocalStack({ operator: true })
    administrator = await administrate(stack)
    running = stack.service
  })
  after(() => stack[Symbol.asyncDispose]())

  const orders = async () => ({ token: await stack.provider.clientCredentials('orders-service') })

  test('doctor finds nothing wrong with what keys generate --operator and the reference configuration make, but perhaps the version of nats-server', async () => {
    const main = path.resolve(import.meta.dirname, '../../src/main.ts')
    const env = { ...process.env, SPANNER_EMULATOR_HOST: stack.emulator.host }
    const doctor = promisify(execFile)(process.execPath, [main, 'doctor', '--config', stack.configFile], { env })
    const { stdout } = await doctor.catch((failure: { stdout: string }) => failure)
    const failed = SERVER_UNDER_TEST.hasKnownDefects ? ['nats.version'] : []
    assert.deepEqual(
      Array.from(stdout.matchAll(/^FAIL +(\S+)/gm), ([, check]) => check),
      failed,
    )
    assert.match(stdout, new RegExp(`^${failed.length} failed, 1 to look at, \\d+ well, 1 skipped$`, 'm'))
  })

  test('a signing key that was taken from its account lets nobody in, and the service says so until it is back', async () => {
    let removed: Account['signing_keys']
    await administrator.change('account-APP', (claims) => {
      removed = claims.signing_keys
      claims.signing_keys = []
    })
    const { admitted, rows } = await judged(stack, await orders())
    assert.deepEqual([admitted, rows.map((row) => row.outcome)], [false, ['ALLOW']])
    await until('the service knows', async () => (await metric(running, 'nats_callout_allows_refused_total')) === 1)
    assert.match((await notReady(running)).join('\n'), /user_jwts.*nats-server refused the last one: .*not known/)

    await administrator.change('account-APP', (claims) => void (claims.signing_keys = removed ?? []))
    assert.equal(await isAdmitted(stack, await orders()), true)
    await until('it is ready again', async () => (await notReady(running)).length === 0)
  })

  test('a grant in the system account places nobody there, although the callout account allows every account', async () => {
    await administrator.change('callout-account', (claims) => void (claims.authorization!.allowed_accounts = ['*']))
    const grant = { principal: 'user:local:bob', effect: 'allow', action: 'subscribe', subject: '$SYS.>' } as const
    const names = ['SYS', administrator.systemAccount]
    const notes = { reason: 'a test', createdBy: 'a test' }
    await stack.admin.edit(
      adding('grant', ...names.map((account, index) => ({ ...grant, ...notes, account, id: `escape-${index}` }))),
    )
    const { admitted, rows } = await judged(stack, { token: await stack.provider.deviceLogin('bob') })
    assert.deepEqual([admitted, rows.map((row) => row.reason)], [false, ['account_not_allowed']])
  })

  for (const [whose, account, file] of [
    ['an account of clients', 'account-APP', 'account-APP.nk'],
    ['the callout account', 'callout-account', 'issuer.nk'],
  ] as const) {
    test(`the signing key of ${whose} is replaced without a client being refused`, async () => {
      const [seedFile, next] = [path.join(stack.directory, 'secrets', file), createAccount()]
      const old = fromSeed(new TextEncoder().encode((await readFile(seedFile, 'utf8')).trim())).getPublicKey()
      await administrator.change(account, (claims) => void claims.signing_keys?.push(next.getPublicKey()))
      await writeFile(seedFile, seedOf(next))
      const replacement = await stack.startService()
      for (let round = 0; round < 8; round += 1) assert.equal(await isAdmitted(stack, await orders()), true)
      running.process.signal('SIGTERM')
      await running.process.exited
      running = replacement
      await administrator.change(account, (claims) => {
        claims.signing_keys = claims.signing_keys?.filter((key) => key !== old) ?? []
      })
      assert.equal(await isAdmitted(stack, await orders()), true)
      assert.deepEqual(await notReady(running), [])
    })
  }
})
