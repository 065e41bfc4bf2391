import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { forgeSignature } from '../../src/dev/forged-token.ts'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { judged, tryConnect, decisionsOf, notReady } from '../support/clients.ts'
import { inMs } from '../support/spanner.ts'
import { removeGrant } from '../support/policy.ts'
import { adding } from '../../src/service/policy-edit.ts'

const PLAIN = {
  editServerConfig: (conf: string) => conf.replace(/^\s*(?:xkey:|CALLOUT_XKEY) .*$/m, ''),
  editConfig: (yaml: string) => yaml.replace(/^.*xkey_seed_files.*$/m, ''),
}
const UTF8_PERSON = 'José 東京'

for (const [mode, edits] of [
  ['sealed', {}],
  ['plain', PLAIN],
  ['sealed operator-mode', { operator: true }],
] as const) {
  suite(`with ${mode} requests`, () => {
    let stack: LocalStack

    before(async () => {
      const people = { alice: ['engineering'], bob: [], mallory: [], [UTF8_PERSON]: ['engineering'] }
      stack = await startLocalStack({ ...edits, provider: { people } })
    })
    after(() => stack[Symbol.asyncDispose]())

    test('a service gets in on its client credentials', async () => {
      const { admitted, rows } = await judged(stack, {
        token: await stack.provider.clientCredentials('orders-service'),
      })
      assert.equal(admitted, true)
      assert.deepEqual(
        rows.map((row) => [row.outcome, row.principal]),
        [['ALLOW', 'client:local:orders-service']],
      )
    })

    test('a person gets in on the grants of a group, with the token as password too', async () => {
      const token = await stack.provider.deviceLogin('alice')
      assert.equal((await judged(stack, { user: 'anyone', pass: token })).admitted, true)
    })

    test('a row is durable when its client gets the answer', async () => {
      const token = await stack.provider.clientCredentials('orders-service')
      for (let round = 0; round < 5; round += 1) {
        const name = `durable-${round}`
        const connection = await tryConnect(stack, { token, name })
        assert.equal((await decisionsOf(stack, name)).length, 1)
        await connection?.close()
      }
    })

    test('a name outside of ASCII arrives whole in the row and on the server', async () => {
      const token = await stack.provider.deviceLogin(UTF8_PERSON)
      const connection = await tryConnect(stack, { token, name: UTF8_PERSON })
      assert.ok(connection)
      const connz = await fetch(`${stack.nats.monitorUrl}/connz?auth=true`)
      const { connections } = (await connz.json()) as { connections: { name?: string; authorized_user?: string }[] }
      const mine = connections.find((candidate) => candidate.name === UTF8_PERSON)
      assert.equal(mine?.authorized_user, `user:local:${UTF8_PERSON}`)
      const [row] = await decisionsOf(stack, UTF8_PERSON)
      assert.equal(row?.principal, `user:local:${UTF8_PERSON}`)
      await connection.close()
    })

    const refused: [string, string, () => Promise<string>][] = [
      ['no grants', 'no_grants', () => stack.provider.deviceLogin('bob')],
      ['a lock', 'locked', () => stack.provider.deviceLogin('mallory')],
      [
        'an expired token',
        'token_expired',
        () => stack.provider.clientCredentials('orders-service', { expired: true }),
      ],
      [
        'a token for another audience',
        'audience_mismatch',
        () => stack.provider.clientCredentials('orders-service', { audience: 'billing' }),
      ],
      [
        'a forged signature',
        'signature_invalid',
        async () => forgeSignature(await stack.provider.clientCredentials('orders-service')),
      ],
    ]
    for (const [what, reason, token] of refused) {
      test(`${what} is refused, and the row says why`, async () => {
        const { admitted, rows } = await judged(stack, { token: await token() })
        assert.equal(admitted, false)
        assert.deepEqual(
          rows.map((row) => [row.outcome, row.reason]),
          [['DENY', reason]],
        )
      })
    }

    test('a grant in an account that the configuration does not list places nobody there', async () => {
      const grant = {
        id: 'escape',
        principal: 'user:local:bob',
        account: 'SYS',
        effect: 'allow',
        action: 'subscribe',
      } as const
      await stack.admin.edit(adding('grant', { ...grant, subject: '$SYS.>', reason: 'a test', createdBy: 'a test' }))
      const { admitted, rows } = await judged(stack, { token: await stack.provider.deviceLogin('bob') })
      await removeGrant(stack.admin, 'escape')
      assert.equal(admitted, false)
      assert.deepEqual(
        rows.map((row) => row.reason),
        ['account_not_allowed'],
      )
    })

    test('every part is ready', async () => {
      assert.deepEqual(await notReady(stack.service), [])
    })

    test('neither the log nor the audit table holds a token', async () => {
      const token = await stack.provider.clientCredentials('orders-service')
      await judged(stack, { token })
      const log = stack.service.process.log()
      assert.ok(log.includes('"event":"decision"'))
      const rows = await stack.database.query('SELECT * FROM Decisions', {}, inMs(10_000))
      assert.ok(rows.length > 0)
      for (const text of [log, JSON.stringify(rows)]) {
        assert.ok(!text.includes(token) && !text.includes(token.split('.')[2] ?? token))
      }
    })
  })
}
