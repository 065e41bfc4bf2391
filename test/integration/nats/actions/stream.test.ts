import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { AckPolicy, DeliverPolicy, type Consumer, type PushConsumer } from '@nats-io/jetstream'
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

const FIRST_WITH_PAUSE = '2.11.0'

const MESSAGES = 300
/** Enough of them for nats-server to ask for flow control. */
const MESSAGE = new Uint8Array(4_000)

async function addStreams({ js, jsm }: GrantedClient): Promise<void> {
  await jsm.streams.add({ name: 'ORDERS', subjects: ['orders.>'], allow_direct: true })
  await jsm.streams.add({ name: 'OTHER', subjects: ['other.>'], allow_direct: true })
  for (let number = 0; number < MESSAGES; number++) await js.publish(`orders.${number % 3}`, MESSAGE)
  await js.publish('other.1')
  for (const stream of ['ORDERS', 'OTHER'])
    await jsm.consumers.add(stream, { durable_name: 'worker', ack_policy: AckPolicy.Explicit })
}

/** Reads to the end of the stream. */
async function readAll(consumer: Consumer | PushConsumer): Promise<number> {
  const messages = await consumer.consume()
  let count = 0
  for await (const message of messages) {
    count += 1
    if (message.info.pending === 0) break
  }
  return count
}

for (const binary of await testedServers()) {
  suite(`with nats-server ${binary.version}`, () => {
    let stand: JetStreamStand
    before(async () => {
      stand = await startJetStreamStand({ binary })
      await addStreams(stand.admin)
    })
    after(() => stand?.[Symbol.asyncDispose]())

    suite('stream:read', () => {
      const reader = (): Promise<GrantedClient> =>
        stand.client('reader', [{ action: 'stream:read', subject: 'ORDERS' }])

      test('looks at the stream and gets messages by number and by subject', async () => {
        const client = await reader()
        assert.equal((await client.jsm.streams.info('ORDERS')).state.messages, MESSAGES)
        assert.equal((await client.jsm.streams.getMessage('ORDERS', { seq: 2 }))?.subject, 'orders.1')
        assert.equal((await client.jsm.direct.getMessage('ORDERS', { seq: 2 }))?.subject, 'orders.1')
        const last = await client.jsm.direct.getMessage('ORDERS', { last_by_subj: 'orders.1' })
        assert.equal(last?.seq, MESSAGES - 1)
        await assertNothingRefused(client)
      })

      test('reads all messages with ordered consumers, pulled and pushed', async () => {
        const client = await reader()
        assert.equal(await readAll(await client.js.consumers.get('ORDERS')), MESSAGES)
        assert.equal(await readAll(await client.js.consumers.getPushConsumer('ORDERS')), MESSAGES)
        const some = await client.js.consumers.get('ORDERS', { filter_subjects: 'orders.1' })
        assert.equal(await readAll(some), MESSAGES / 3)
        const more = await client.js.consumers.get('ORDERS', { filter_subjects: ['orders.1', 'orders.2'] })
        assert.equal(await readAll(more), (MESSAGES / 3) * 2)
        await assertNothingRefused(client)
      })

      test('neither writes, nor changes the stream, nor ends or acknowledges for consumers of others', async () => {
        const client = await reader()
        const { js, jsm, connection } = client
        await assertRefused(client, 'orders.new', () => js.publish('orders.new'))
        await assertRefused(client, '$JS.API.STREAM.PURGE.ORDERS', () => jsm.streams.purge('ORDERS'))
        await assertRefused(client, '$JS.API.STREAM.DELETE.ORDERS', () => jsm.streams.delete('ORDERS'))
        await assertRefused(client, '$JS.API.STREAM.MSG.DELETE.ORDERS', () => jsm.streams.deleteMessage('ORDERS', 1))
        const { config } = await jsm.streams.info('ORDERS')
        await assertRefused(client, '$JS.API.STREAM.UPDATE.ORDERS', () => jsm.streams.update('ORDERS', config))
        await assertRefused(client, '$JS.API.CONSUMER.DELETE.ORDERS', () => jsm.consumers.delete('ORDERS', 'worker'))
        await assertRefused(client, '$JS.ACK.ORDERS.worker', async () =>
          connection.publish('$JS.ACK.ORDERS.worker.1.1.1.1.0'),
        )
      })

      test('reaches no other stream, and no list of them', async () => {
        const client = await reader()
        const { js, jsm } = client
        await assertRefused(client, '$JS.API.STREAM.INFO.OTHER', () => jsm.streams.info('OTHER'))
        await assertRefused(client, '$JS.API.STREAM.MSG.GET.OTHER', () => jsm.streams.getMessage('OTHER', { seq: 1 }))
        await assertRefused(client, '$JS.API.DIRECT.GET.OTHER', () => jsm.direct.getMessage('OTHER', { seq: 1 }))
        await assertRefused(client, '$JS.API.CONSUMER.CREATE.OTHER', () => js.consumers.getPushConsumer('OTHER'))
        await assertRefused(client, '$JS.API.CONSUMER.INFO.OTHER', () => js.consumers.get('OTHER', 'worker'))
        await assertRefused(client, '$JS.API.STREAM.NAMES', () => jsm.streams.find('other.1'))
        await assertRefused(client, '$JS.API.INFO', () => jsm.getAccountInfo())
      })

      test('cannot be kept from sending what it reads elsewhere: nats-server delivers where a consumer says', async () => {
        const client = await reader()
        const heard: string[] = []
        const { connection } = stand.admin
        const subscription = connection.subscribe('elsewhere', {
          callback: (_, { reply = '' }) => void heard.push(reply),
        })
        await connection.flush()
        await assertRefused(client, 'elsewhere', async () => client.connection.publish('elsewhere'))
        await client.jsm.consumers.add('ORDERS', {
          name: 'astray',
          deliver_subject: 'elsewhere',
          deliver_policy: DeliverPolicy.Last,
          ack_policy: AckPolicy.None,
        })
        await until('a message of the stream is there', () => heard.length > 0)
        assert.match(heard[0] ?? '', /^\$JS\.ACK\.ORDERS\.astray\./)
        subscription.unsubscribe()
      })
    })

    suite('stream:write with the subjects of the stream', () => {
      const writer = (): Promise<GrantedClient> =>
        stand.client('writer', [
          { action: 'stream:write', subject: 'OTHER' },
          { action: 'publish', subject: 'other.>' },
        ])

      test('looks at the stream, writes, and hears that it is stored', async () => {
        const client = await writer()
        const { state } = await client.jsm.streams.info('OTHER')
        const { stream, seq } = await client.js.publish('other.2', 'x', { expect: { lastSequence: state.last_seq } })
        assert.deepEqual([stream, seq], ['OTHER', state.last_seq + 1])
        await assertNothingRefused(client)
      })

      test('neither reads, nor takes back, nor writes elsewhere', async () => {
        const client = await writer()
        const { js, jsm } = client
        await assertRefused(client, '$JS.API.STREAM.MSG.GET.OTHER', () => jsm.streams.getMessage('OTHER', { seq: 1 }))
        await assertRefused(client, '$JS.API.DIRECT.GET.OTHER', () => jsm.direct.getMessage('OTHER', { seq: 1 }))
        await assertRefused(client, '$JS.API.CONSUMER.CREATE.OTHER', () => js.consumers.getPushConsumer('OTHER'))
        await assertRefused(client, '$JS.API.STREAM.PURGE.OTHER', () => jsm.streams.purge('OTHER'))
        await assertRefused(client, '$JS.API.STREAM.MSG.DELETE.OTHER', () => jsm.streams.deleteMessage('OTHER', 1))
        await assertRefused(client, 'orders.new', () => js.publish('orders.new'))
        await assertRefused(client, '$JS.API.STREAM.INFO.ORDERS', () => jsm.streams.info('ORDERS'))
      })
    })

    suite('stream:manage', () => {
      const manager = (): Promise<GrantedClient> =>
        stand.client('manager', [{ action: 'stream:manage', subject: 'OWN' }])

      test('makes, changes, empties and deletes the stream, its messages and its consumers', async () => {
        const client = await manager()
        const { jsm } = client
        await jsm.streams.add({ name: 'OWN', subjects: ['own.>'] })
        await jsm.streams.update('OWN', { max_msgs: 10 })
        for (const subject of ['own.1', 'own.2']) await stand.admin.js.publish(subject)
        await jsm.streams.deleteMessage('OWN', 1)
        assert.equal((await jsm.streams.purge('OWN')).purged, 1)
        await jsm.consumers.add('OWN', { durable_name: 'c', ack_policy: AckPolicy.Explicit })
        await jsm.consumers.update('OWN', 'c', { description: 'x' })
        const names = (await jsm.consumers.list('OWN').next()).map(({ name }) => name)
        assert.deepEqual(names, ['c'])
        assert.equal((await jsm.consumers.info('OWN', 'c')).config.description, 'x')
        if (compareVersions(binary.version, FIRST_WITH_PAUSE) >= 0)
          await jsm.consumers.pause('OWN', 'c', new Date(Date.now() + 60_000))
        await jsm.consumers.delete('OWN', 'c')
        await jsm.streams.delete('OWN')
        await assertNothingRefused(client)
      })

      test('neither reads, nor takes from a consumer, nor writes', async () => {
        const client = await manager()
        const { js, jsm } = client
        await jsm.streams.add({ name: 'OWN', subjects: ['own.>'] })
        await jsm.consumers.add('OWN', { durable_name: 'c', ack_policy: AckPolicy.Explicit })
        await assertRefused(client, '$JS.API.STREAM.MSG.GET.OWN', () => jsm.streams.getMessage('OWN', { seq: 1 }))
        await assertRefused(client, '$JS.API.CONSUMER.MSG.NEXT.OWN.c', async () =>
          (await js.consumers.get('OWN', 'c')).next({ expires: 1000 }),
        )
        await assertRefused(client, 'own.1', () => js.publish('own.1'))
        await jsm.streams.delete('OWN')
      })

      test('manages no other stream, nor the servers', async () => {
        const client = await manager()
        const { jsm, connection } = client
        await assertRefused(client, '$JS.API.STREAM.CREATE.NEW', () =>
          jsm.streams.add({ name: 'NEW', subjects: ['n'] }),
        )
        await assertRefused(client, '$JS.API.STREAM.INFO.OTHER', () => jsm.streams.update('OTHER', { max_msgs: 1 }))
        await assertRefused(client, '$JS.API.STREAM.DELETE.OTHER', () => jsm.streams.delete('OTHER'))
        await assertRefused(client, '$JS.API.STREAM.PURGE.OTHER', () => jsm.streams.purge('OTHER'))
        await assertRefused(client, '$JS.API.CONSUMER.DELETE.OTHER', () => jsm.consumers.delete('OTHER', 'worker'))
        await assertRefused(client, '$JS.API.CONSUMER.CREATE.OTHER', () =>
          jsm.consumers.add('OTHER', { durable_name: 'c', ack_policy: AckPolicy.Explicit }),
        )
        for (const subject of [
          'STREAM.UPDATE.OTHER',
          'STREAM.LEADER.STEPDOWN.OWN',
          'META.LEADER.STEPDOWN',
          'STREAM.LIST',
        ])
          await assertRefused(client, `$JS.API.${subject}`, () => connection.request(`$JS.API.${subject}`))
      })

      test('cannot be kept from copying another stream: nats-server looks at nothing but the name', async () => {
        const { jsm } = await manager()
        await jsm.streams.add({ name: 'OWN', mirror: { name: 'OTHER' } })
        await until('the messages are copied', async () => (await jsm.streams.info('OWN')).state.messages > 0)
        await jsm.streams.delete('OWN')
      })
    })
  })
}
