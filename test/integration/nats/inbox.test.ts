import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { InboxPolicy } from '../../../src/core/inbox.ts'
import { privateInboxPrefix } from '../../../src/core/inbox.ts'
import type { NatsServerBinary } from '../../../src/dev/locate-nats-server.ts'
import { anIdentity } from '../../support/builders.ts'
import {
  assertNothingRefused,
  startJetStreamStand,
  takeRefusals,
  testedServers,
  type GrantedClient,
  type JetStreamStand,
} from '../../support/jetstream-stand.ts'

/** Their encoded names have every kind of character. */
const ALICE = 'https://idp.example|alice-1_é*.>'
const BOB = 'bob'
const prefixOf = (subject: string): string => privateInboxPrefix(anIdentity({ subject }))

async function answeringStand(binary: NatsServerBinary, inbox: InboxPolicy): Promise<JetStreamStand> {
  const stand = await startJetStreamStand({ binary, account: { inbox } })
  stand.admin.connection.subscribe('ask', { callback: (_, message) => void message.respond('answer') })
  await stand.admin.connection.flush()
  return stand
}

async function refusalsOfSubscribing(client: GrantedClient, subject: string): Promise<string[]> {
  client.connection.subscribe(subject, { callback: () => {} })
  return takeRefusals(client)
}

for (const binary of await testedServers()) {
  suite(`with nats-server ${binary.version}`, () => {
    const clientOf = (stand: JetStreamStand, user: string, inboxPrefix: string): Promise<GrantedClient> =>
      stand.client(user, [{ action: 'publish', subject: 'ask' }], { inboxPrefix })

    suite('the private inbox', () => {
      let stand: JetStreamStand
      before(async () => {
        stand = await answeringStand(binary, 'private')
      })
      after(() => stand?.[Symbol.asyncDispose]())

      for (const user of [ALICE, BOB]) {
        test(`of ${user} takes the answers to its requests`, async () => {
          const client = await clientOf(stand, user, prefixOf(user))
          assert.equal((await client.connection.request('ask')).string(), 'answer')
          await assertNothingRefused(client)
        })
      }

      test('of another is closed, and so is that of everybody', async () => {
        const client = await clientOf(stand, BOB, prefixOf(BOB))
        for (const subject of [`${prefixOf(ALICE)}.>`, `${prefixOf(`${BOB}2`)}.x`, '_INBOX.>', '_INBOX.x', '*.x', '>'])
          assert.deepEqual(await refusalsOfSubscribing(client, subject), [`subscription ${subject}`])
      })

      test('is not used by a client that keeps the usual prefix', async () => {
        const client = await clientOf(stand, BOB, '_INBOX')
        await assert.rejects(client.connection.request('ask'), /Permissions Violation for Subscription to "_INBOX\./)
      })
    })

    suite('the shared inbox', () => {
      let stand: JetStreamStand
      before(async () => {
        stand = await answeringStand(binary, 'shared')
      })
      after(() => stand?.[Symbol.asyncDispose]())

      test('takes answers with the usual prefix, those of others too', async () => {
        const client = await clientOf(stand, BOB, '_INBOX')
        assert.equal((await client.connection.request('ask')).string(), 'answer')
        assert.deepEqual(await refusalsOfSubscribing(client, '_INBOX.>'), [])
      })

      test('is no inbox with a prefix', async () => {
        const client = await clientOf(stand, BOB, prefixOf(BOB))
        const subject = `${prefixOf(BOB)}.>`
        assert.deepEqual(await refusalsOfSubscribing(client, subject), [`subscription ${subject}`])
      })
    })

    test('without an inbox policy no inbox is open', async () => {
      await using stand = await answeringStand(binary, 'none')
      const client = await clientOf(stand, BOB, '_INBOX')
      for (const subject of ['_INBOX.x', `${prefixOf(BOB)}.x`])
        assert.deepEqual(await refusalsOfSubscribing(client, subject), [`subscription ${subject}`])
    })
  })
}
