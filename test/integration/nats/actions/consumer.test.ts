import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { AckPolicy, type JsMsg } from '@nats-io/jetstream'
import { createInbox } from '@nats-io/transport-node'
import { compareVersions } from '../../../../src/dev/locate-nats-server.ts'
import {
  assertNothingRefused,
  assertRefused,
  startJetStreamStand,
  testedServers,
  type GrantedClient,
  type JetStreamStand,
} from '../../../support/jetstream-stand.ts'
import { until } from '../../../support/nats.ts'

/** From here on nats-server knows a second form of the subjects for acknowledgements and flow control. */
const FIRST_WITH_FORM_2 = '2.14.0'

const PUSHED = 200

async function addConsumers({ js, jsm }: GrantedClient): Promise<void> {
  await jsm.streams.add({ name: 'ORDERS', subjects: ['orders.>'] })
  await jsm.streams.add({ name: 'BULK', subjects: ['bulk'] })
  for (const name of ['worker', 'other'])
    await jsm.consumers.add('ORDERS', { durable_name: name, ack_policy: AckPolicy.Explicit })
  await jsm.consumers.add('BULK', {
    durable_name: 'pushed',
    ack_policy: AckPolicy.Explicit,
    deliver_subject: 'deliver.pushed',
    flow_control: true,
    idle_heartbeat: 5_000_000_000,
    max_ack_pending: PUSHED,
  })
  for (let number = 0; number < PUSHED; number++) await js.publish('bulk', new Uint8Array(4_000))
}

async function next(client: GrantedClient): Promise<JsMsg> {
  const message = await (await client.js.consumers.get('ORDERS', 'worker')).next({ expires: 5_000 })
  assert.ok(message)
  return message
}

/** The client library keeps it for itself. */
function replyOf(message: JsMsg): string {
  return (message as JsMsg & { readonly reply: string }).reply
}

for (const binary of await testedServers()) {
  const forms = compareVersions(binary.version, FIRST_WITH_FORM_2) >= 0 ? ([1, 2] as const) : ([1] as const)
  for (const form of forms) {
    suite(`consumer:use with nats-server ${binary.version} and acknowledgements of form ${form}`, () => {
      let stand: JetStreamStand
      before(async () => {
        const serverConfig = form === 2 ? 'feature_flags { js_ack_fc_v2: true }' : ''
        stand = await startJetStreamStand({ binary, serverConfig })
        await addConsumers(stand.admin)
      })
      after(() => stand?.[Symbol.asyncDispose]())

      const user = (): Promise<GrantedClient> =>
        stand.client('user', [{ action: 'consumer:use', subject: 'ORDERS/worker' }])

      test('takes messages and acknowledges, postpones and ends them', async () => {
        const client = await user()
        await stand.admin.jsm.streams.purge('ORDERS')
        for (const subject of ['orders.1', 'orders.2', 'orders.3', 'orders.4']) await stand.admin.js.publish(subject)
        const first = await next(client)
        assert.equal(replyOf(first).split('.').length, form === 1 ? 9 : 11, replyOf(first))
        assert.equal(await first.ackAck(), true)
        ;(await next(client)).nak()
        const again = await next(client)
        again.working()
        again.term()
        for (const message of [await next(client), await next(client)]) message.ack()
        await until('nothing is outstanding', async () => {
          const { num_pending: pending, num_ack_pending: unacknowledged } = await (
            await client.js.consumers.get('ORDERS', 'worker')
          ).info()
          return pending + unacknowledged === 0
        })
        await assertNothingRefused(client)
      })

      test('takes what is pushed, with flow control, where the delivery subject is granted', async () => {
        const client = await stand.client('pushed', [
          { action: 'consumer:use', subject: 'BULK/pushed' },
          { action: 'subscribe', subject: 'deliver.pushed' },
        ])
        const messages = await (await client.js.consumers.getPushConsumer('BULK', 'pushed')).consume()
        let count = 0
        for await (const message of messages) {
          message.ack()
          if (++count === PUSHED) break
        }
        const consumer = await client.js.consumers.getPushConsumer('BULK', 'pushed')
        await until('all is acknowledged', async () => (await consumer.info()).num_ack_pending === 0)
        await assertNothingRefused(client)
      })

      test('neither creates nor deletes consumers, nor looks at the stream, nor reads past the consumer', async () => {
        const client = await user()
        const { js, jsm } = client
        await assertRefused(client, '$JS.API.CONSUMER.CREATE.ORDERS', () =>
          jsm.consumers.add('ORDERS', { durable_name: 'worker', ack_policy: AckPolicy.Explicit }),
        )
        await assertRefused(client, '$JS.API.CONSUMER.DELETE.ORDERS', () => jsm.consumers.delete('ORDERS', 'worker'))
        await assertRefused(client, '$JS.API.STREAM.INFO.ORDERS', () => js.streams.get('ORDERS'))
        await assertRefused(client, '$JS.API.STREAM.MSG.GET.ORDERS', () => jsm.streams.getMessage('ORDERS', { seq: 1 }))
        await assertRefused(client, 'orders.1', () => js.publish('orders.1'))
      })

      test('reaches no other consumer', async () => {
        const client = await user()
        const { js, connection } = client
        await assertRefused(client, '$JS.API.CONSUMER.INFO.ORDERS.other', () => js.consumers.get('ORDERS', 'other'))
        await assertRefused(client, '$JS.API.CONSUMER.MSG.NEXT.ORDERS.other', () =>
          connection.request('$JS.API.CONSUMER.MSG.NEXT.ORDERS.other'),
        )
      })

      test('takes nothing from another consumer by an acknowledgement that asks for the next message', async () => {
        const client = await user()
        await stand.admin.js.publish('orders.secret')
        const inbox = createInbox('_INBOX_user_corp_user')
        const heard: string[] = []
        client.connection.subscribe(inbox, { callback: (_, { subject }) => void heard.push(subject) })
        const forged = [
          '$JS.ACK.ORDERS.other.1.1.1.1.0',
          // Of the other consumer in the first form, and of ours if the first two of the second form are anything.
          '$JS.ACK.ORDERS.other.ORDERS.worker.1.1.1',
          '$JS.ACK.ORDERS.other.ORDERS.worker.1',
          '$JS.ACK._.x.ORDERS.other.1.1.1.1.0',
          // Of ours in the first form, and of the other in the second if the domain and the hash were called that.
          '$JS.ACK.ORDERS.worker.ORDERS.other.1.1.1.1.0',
        ]
        for (const subject of forged) {
          await assertRefused(client, subject, async () => client.connection.publish(subject, '+NXT', { reply: inbox }))
        }
        const { num_pending: pending, delivered } = await stand.admin.jsm.consumers.info('ORDERS', 'other')
        assert.ok(pending > 0)
        assert.deepEqual([delivered.consumer_seq, heard], [0, []])
      })
    })
  }
}
