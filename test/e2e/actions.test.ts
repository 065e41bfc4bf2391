import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { privateDirectory } from '../../src/dev/child-process.ts'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { adding } from '../../src/service/policy-edit.ts'
import { connectClient } from '../support/nats.ts'
import { inMs } from '../support/spanner.ts'

const INBOX = '_INBOX_client_local_orders-service'
const ORIGIN = { reason: 'a test', createdBy: 'a test' }

let stack: LocalStack
before(async () => {
  const store = path.join(privateDirectory('callout-actions').path, 'jetstream')
  stack = await startLocalStack({
    editServerConfig: (conf) =>
      conf.includes('system_account')
        ? `${conf.replace('APP {}', 'APP { jetstream: enabled }')}\nserver_name: actions\njetstream { store_dir: "${store}" }`
        : conf,
    editConfig: (yaml) => yaml.replace('APP: {}', 'APP: { inbox: private, session_max: 30m }'),
  })
  const grant = { account: 'APP', effect: 'allow', ...ORIGIN } as const
  const role = { ...grant, principal: 'role:fulfilment' } as const
  const admin = { ...grant, principal: 'client:local:reporting' } as const
  await stack.admin.edit(
    adding(
      'grant',
      { ...role, id: 'use', action: 'consumer:use', subject: 'ORDERS/worker' },
      { ...role, id: 'put', action: 'kv:write', subject: '{{subject}}' },
      { ...role, id: 'offer', action: 'service:offer', subject: 'fulfilment', response: { max: 2, ttlMs: 5000 } },
      { ...admin, id: 'all-out', action: 'publish', subject: '>' },
      { ...admin, id: 'all-in', action: 'subscribe', subject: '>' },
    ),
  )
  await stack.admin.edit(adding('role', { role: 'role:fulfilment', sessionMaxMs: 600_000, ...ORIGIN }))
  const binding = { member: 'client:local:orders-service', role: 'role:fulfilment', ...ORIGIN }
  await stack.admin.edit(adding('binding', binding))
  const connection = await connectAs('reporting')
  const jsm = await jetstreamManager(connection)
  await jsm.streams.add({ name: 'ORDERS', subjects: ['stock.>'] })
  await jsm.consumers.add('ORDERS', { durable_name: 'worker', ack_policy: AckPolicy.Explicit })
  await jetstream(connection).publish('stock.1', 'one')
  await new Kvm(connection).create('orders-service')
  await connection.close()
})
after(() => stack?.[Symbol.asyncDispose]())

async function connectAs(service: string, inboxPrefix = '_INBOX'): Promise<NatsConnection> {
  const pass = await stack.provider.clientCredentials(service)
  return connectClient(stack.nats.url, { user: 'APP', pass, inboxPrefix })
}

suite('a client with grants of actions in Spanner, by a role', () => {
  test('works through its consumer, writes to its bucket, answers, and does nothing else', async () => {
    const connection = await connectAs('orders-service', INBOX)
    const js = jetstream(connection)
    const message = await (await js.consumers.get('ORDERS', 'worker')).next({ expires: 5000 })
    assert.equal(message?.string(), 'one')
    assert.equal(await message?.ackAck(), true)
    const bucket = await new Kvm(js).open('orders-service')
    assert.ok((await bucket.put('last', 'one')) > 0)
    connection.subscribe('fulfilment.state', { callback: (_, request) => void request.respond('ready') })
    await connection.flush()
    const asking = await connectAs('reporting')
    assert.equal((await asking.request('fulfilment.state')).string(), 'ready')

    await assert.rejects(bucket.get('last'), /Permissions Violation/)
    await assert.rejects(js.consumers.get('ORDERS', 'other'), /Permissions Violation/)
    await assert.rejects(js.publish('stock.2'), /Permissions Violation/)
    for (const client of [connection, asking]) await client.close()
  })

  test('has the subjects, the answers and the grants in its row, and a session no longer than its role says', async () => {
    const connection = await connectAs('orders-service', INBOX)
    await connection.close()
    const [row] = await stack.database.query(
      `SELECT TO_JSON_STRING(Permissions), ARRAY_TO_STRING(GrantIds, ' '),
         CAST(TIMESTAMP_DIFF(SessionExpiresAt, DecidedAt, SECOND) AS STRING) FROM Decisions
       WHERE Principal = 'client:local:orders-service' AND Outcome = 'ALLOW' ORDER BY DecidedAt DESC LIMIT 1`,
      {},
      inMs(5000),
    )
    const [permissions = '', grantIds = '', seconds = ''] = row?.map((cell) => cell.stringValue ?? '') ?? []
    const { publish, subscribe, responses } = JSON.parse(permissions) as {
      readonly publish: { readonly allow: string[] }
      readonly subscribe: { readonly allow: string[] }
      readonly responses: unknown
    }
    assert.ok(
      publish.allow.includes('$JS.ACK.ORDERS.worker.*.*.*.*.*') && publish.allow.includes('$KV.orders-service.>'),
    )
    assert.ok(subscribe.allow.includes(`${INBOX}.>`) && subscribe.allow.includes('fulfilment.>'))
    assert.deepEqual(responses, { max: 2, ttlMs: 5000 })
    assert.ok(
      ['offer', 'put', 'use'].every((id) => grantIds.split(' ').includes(id)),
      grantIds,
    )
    assert.ok(Number(seconds) > 500 && Number(seconds) <= 600, seconds)
  })
})
