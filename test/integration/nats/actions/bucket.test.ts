import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { jetstream, type JetStreamClient } from '@nats-io/jetstream'
import { Kvm, type KV } from '@nats-io/kv'
import { Objm, type ObjectStore } from '@nats-io/obj'
import {
  assertNothingRefused,
  assertRefused,
  startJetStreamStand,
  takeRefusals,
  testedServers,
  type GrantedClient,
  type GrantText,
  type JetStreamStand,
} from '../../../support/jetstream-stand.ts'
import { until } from '../../../support/nats.ts'

/** By default nats.js asks for the account as a whole before it opens an object store. */
function unchecked({ connection }: GrantedClient): JetStreamClient {
  return jetstream(connection, { checkAPI: false })
}

const bucketOf = (client: GrantedClient, name: string): Promise<KV> =>
  new Kvm(unchecked(client)).open(name, { allow_direct: true })
const storeOf = (client: GrantedClient, name: string): Promise<ObjectStore> => new Objm(unchecked(client)).open(name)

/** Several chunks, and enough of them for nats-server to ask for flow control. */
const LARGE = new Uint8Array(2_000_000).fill(7)

async function collected<T>(source: Promise<AsyncIterable<T>>): Promise<T[]> {
  const items: T[] = []
  for await (const item of await source) items.push(item)
  return items
}

for (const binary of await testedServers()) {
  suite(`with nats-server ${binary.version}`, () => {
    let stand: JetStreamStand
    before(async () => {
      stand = await startJetStreamStand({ binary })
      const { connection } = stand.admin
      const kvm = new Kvm(connection)
      for (const name of ['conf', 'other']) await (await kvm.create(name, { history: 5 })).put('a.b', 'one')
      for (const name of ['watched', 'written']) await kvm.create(name)
      const conf = await kvm.open('conf')
      await conf.put('a.b', 'two')
      await conf.put('c', 'three')
      await (await kvm.create('indirect', { allow_direct: false })).put('a', 'one')
      const objm = new Objm(connection)
      for (const name of ['files', 'others', 'written'])
        await (await objm.create(name)).putBlob({ name: 'a', options: { max_chunk_size: 10_000 } }, LARGE)
    })
    after(() => stand?.[Symbol.asyncDispose]())

    const clientOf = (action: GrantText['action'], subject: string): Promise<GrantedClient> =>
      stand.client(action.replace(':', '-'), [{ action, subject }])

    suite('kv:read', () => {
      test('gets and lists keys, and looks at the bucket', async () => {
        const client = await clientOf('kv:read', 'conf')
        const bucket = await bucketOf(client, 'conf')
        assert.equal((await bucket.get('a.b'))?.string(), 'two')
        assert.equal((await bucket.get('a.b', { revision: 1 }))?.string(), 'one')
        assert.deepEqual(await collected(bucket.keys()), ['a.b', 'c'])
        assert.deepEqual(await collected(bucket.keys(['a.*', 'c'])), ['a.b', 'c'])
        assert.equal((await collected(bucket.history({ key: 'a.b' }))).length, 2)
        assert.equal((await bucket.status()).values, 3)
        await assertNothingRefused(client)
      })

      test('hears of changes', async () => {
        const client = await clientOf('kv:read', 'watched')
        const watched: string[] = []
        const watching = await (await bucketOf(client, 'watched')).watch({ key: 'w.>' })
        const done = (async () => {
          for await (const { key } of watching) watched.push(key)
        })()
        await (await bucketOf(stand.admin, 'watched')).put('w.1', 'x')
        await until('the change is seen', () => watched.includes('w.1'))
        watching.stop()
        await done
        await assertNothingRefused(client)
      })

      test('gets keys of a bucket without direct get', async () => {
        const client = await clientOf('kv:read', 'indirect')
        const bucket = await new Kvm(unchecked(client)).open('indirect')
        assert.equal((await bucket.get('a'))?.string(), 'one')
        await assertNothingRefused(client)
      })

      test('neither writes nor deletes', async () => {
        const client = await clientOf('kv:read', 'conf')
        const bucket = await bucketOf(client, 'conf')
        await assertRefused(client, '$KV.conf.c', () => bucket.put('c', 'x'))
        await assertRefused(client, '$KV.conf.new', () => bucket.create('new', 'x'))
        await assertRefused(client, '$KV.conf.c', () => bucket.delete('c'))
        await assertRefused(client, '$KV.conf.c', () => bucket.purge('c'))
        await assertRefused(client, '$JS.API.STREAM.PURGE.KV_conf', () => client.jsm.streams.purge('KV_conf'))
        await assertRefused(client, '$JS.API.STREAM.DELETE.KV_conf', () => bucket.destroy())
        await assertRefused(client, '$JS.API.STREAM.INFO.KV_new', () => new Kvm(unchecked(client)).create('new'))
      })

      test('reaches no other bucket', async () => {
        const client = await clientOf('kv:read', 'conf')
        const bucket = await bucketOf(client, 'other')
        await assertRefused(client, '$JS.API.DIRECT.GET.KV_other', () => bucket.get('a.b'))
        await assertRefused(client, '$JS.API.CONSUMER.CREATE.KV_other', () => bucket.keys())
        await assertRefused(client, '$JS.API.STREAM.INFO.KV_other', () => bucket.status())
        await assertRefused(client, '$JS.API.STREAM.LIST', () =>
          collected(Promise.resolve(new Kvm(unchecked(client)).list())),
        )
      })
    })

    suite('kv:write', () => {
      test('puts, creates, updates, deletes and purges keys', async () => {
        const client = await clientOf('kv:write', 'written')
        const bucket = await bucketOf(client, 'written')
        await bucket.put('k.1', 'x')
        const revision = await bucket.create('k.2', 'x')
        await bucket.update('k.2', 'y', revision)
        await bucket.delete('k.1')
        await bucket.purge('k.2')
        assert.ok((await bucket.status()).values > 0)
        await assertNothingRefused(client)
      })

      test('does not read', async () => {
        const client = await clientOf('kv:write', 'conf')
        const bucket = await bucketOf(client, 'conf')
        await assertRefused(client, '$JS.API.DIRECT.GET.KV_conf', () => bucket.get('c'))
        await assertRefused(client, '$JS.API.STREAM.MSG.GET.KV_conf', () =>
          client.jsm.streams.getMessage('KV_conf', { seq: 1 }),
        )
        await assertRefused(client, '$JS.API.CONSUMER.CREATE.KV_conf', () => bucket.watch())
        await takeRefusals(client)
        client.connection.subscribe('$KV.conf.>', { callback: () => {} })
        assert.deepEqual(await takeRefusals(client), ['subscription $KV.conf.>'])
      })

      test('neither changes the bucket nor writes to another', async () => {
        const client = await clientOf('kv:write', 'conf')
        const bucket = await bucketOf(client, 'conf')
        await assertRefused(client, '$JS.API.STREAM.DELETE.KV_conf', () => bucket.destroy())
        await assertRefused(client, '$JS.API.STREAM.UPDATE.KV_conf', () =>
          client.jsm.streams.update('KV_conf', { max_msgs: 1 }),
        )
        await assertRefused(client, '$KV.other.a', async () => (await bucketOf(client, 'other')).put('a', 'x'))
      })
    })

    suite('object:read', () => {
      test('gets, lists and watches objects', async () => {
        const client = await clientOf('object:read', 'files')
        const store = await storeOf(client, 'files')
        assert.equal((await store.getBlob('a'))?.length, LARGE.length)
        assert.equal((await store.info('a'))?.size, LARGE.length)
        assert.deepEqual(
          (await store.list()).map(({ name }) => name),
          ['a'],
        )
        assert.ok((await store.status()).size > LARGE.length)
        await assertNothingRefused(client)
      })

      test('neither writes nor deletes', async () => {
        const client = await clientOf('object:read', 'files')
        const store = await storeOf(client, 'files')
        await assertRefused(client, '$O.files.C.', () => store.putBlob({ name: 'new' }, new Uint8Array(1)))
        await assertRefused(client, '$O.files.M.', () => store.delete('a'))
        await assertRefused(client, '$JS.API.STREAM.PURGE.OBJ_files', () => client.jsm.streams.purge('OBJ_files'))
        await assertRefused(client, '$JS.API.STREAM.DELETE.OBJ_files', () => store.destroy())
      })

      test('reaches no other store', async () => {
        const client = await clientOf('object:read', 'files')
        await assertRefused(client, '$JS.API.STREAM.INFO.OBJ_others', () => storeOf(client, 'others'))
        const store = await new Objm(unchecked(client)).open('others', false)
        await assertRefused(client, '$JS.API.STREAM.MSG.GET.OBJ_others', () => store.info('a'))
        await assertRefused(client, '$JS.API.CONSUMER.CREATE.OBJ_others', () => store.watch())
      })
    })

    suite('object:write', () => {
      test('puts, replaces, changes and deletes objects', async () => {
        const client = await clientOf('object:write', 'written')
        const store = await storeOf(client, 'written')
        await store.putBlob({ name: 'b' }, new Uint8Array(1000))
        await store.putBlob({ name: 'b' }, new Uint8Array(2000))
        await store.update('b', { name: 'c', description: 'x' })
        assert.equal((await store.info('c'))?.description, 'x')
        assert.equal((await store.delete('c')).success, true)
        await assertNothingRefused(client)
      })

      test('neither gets nor watches objects, nor changes the store', async () => {
        const client = await clientOf('object:write', 'files')
        const store = await storeOf(client, 'files')
        await assertRefused(client, '$JS.API.CONSUMER.CREATE.OBJ_files', () => store.getBlob('a'))
        await assertRefused(client, '$JS.API.CONSUMER.CREATE.OBJ_files', () => store.watch())
        await assertRefused(client, '$JS.API.STREAM.UPDATE.OBJ_files', () => store.seal())
        await assertRefused(client, '$JS.API.STREAM.DELETE.OBJ_files', () => store.destroy())
      })

      test('reaches no other store', async () => {
        const client = await clientOf('object:write', 'files')
        const store = await new Objm(unchecked(client)).open('others', false)
        await assertRefused(client, '$JS.API.STREAM.MSG.GET.OBJ_others', () => store.info('a'))
        await assertRefused(client, '$O.others.C.x', () => client.js.publish('$O.others.C.x'))
        await assertRefused(client, '$JS.API.STREAM.PURGE.OBJ_others', () => client.jsm.streams.purge('OBJ_others'))
      })
    })
  })
}
