import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { Msg } from '@nats-io/transport-node'
import {
  assertNothingRefused,
  assertRefused,
  startJetStreamStand,
  takeRefusals,
  testedServers,
  type GrantedClient,
  type JetStreamStand,
} from '../../../support/jetstream-stand.ts'
import { until } from '../../../support/nats.ts'

/** Offers the service `billing` as NATS ADR-32 says: its requests in the queue group, and the three questions of monitoring. */
async function offer({ connection }: GrantedClient): Promise<void> {
  const answer = (_: Error | null, message: Msg): void => void message.respond(message.subject)
  for (const subject of ['billing', 'billing.>']) connection.subscribe(subject, { queue: 'q', callback: answer })
  for (const verb of ['PING', 'INFO', 'STATS']) {
    for (const subject of [`$SRV.${verb}`, `$SRV.${verb}.billing`, `$SRV.${verb}.billing.id1`])
      connection.subscribe(subject, { callback: answer })
  }
  await connection.flush()
}

for (const binary of await testedServers()) {
  suite(`with nats-server ${binary.version}`, () => {
    let stand: JetStreamStand
    before(async () => {
      stand = await startJetStreamStand({ binary })
    })
    after(() => stand?.[Symbol.asyncDispose]())

    const offering = (): Promise<GrantedClient> =>
      stand.client('offering', [{ action: 'service:offer', subject: 'billing' }])
    const calling = (): Promise<GrantedClient> =>
      stand.client('calling', [{ action: 'service:call', subject: 'billing' }])

    suite('a service that is offered and called', () => {
      test('answers its requests and the questions of monitoring', async () => {
        const [service, client] = [await offering(), await calling()]
        await offer(service)
        for (const subject of ['billing', 'billing.charge', '$SRV.PING.billing', '$SRV.INFO.billing.id1'])
          assert.equal((await client.connection.request(subject)).string(), subject)
        for (const subject of ['$SRV.PING', '$SRV.STATS', '$SRV.STATS.billing'])
          assert.equal((await stand.admin.connection.request(subject)).string(), subject)
        await assertNothingRefused(service)
        await assertNothingRefused(client)
        await service.connection.close()
      })

      test('is answered once', async () => {
        const [service, client] = [await offering(), await calling()]
        service.connection.subscribe('billing.twice', {
          callback: (_, message) => void (message.respond('one'), message.respond('two')),
        })
        await service.connection.flush()
        assert.equal((await client.connection.request('billing.twice')).string(), 'one')
        assert.match((await takeRefusals(service)).join(), /^publish _INBOX_user_corp_calling\.[^,]*$/)
        await service.connection.close()
      })
    })

    test('service:offer neither speaks unasked, nor hears other services, nor calls', async () => {
      const service = await offering()
      for (const subject of ['billing', 'billing.charge', 'other.x', '$SRV.PING.other', '$SRV.PING'])
        await assertRefused(service, subject, async () => service.connection.publish(subject))
      for (const subject of ['other', 'other.>', '$SRV.PING.other', '$SRV.>', '_INBOX.>', '>'])
        service.connection.subscribe(subject, { callback: () => {} })
      await service.connection.flush()
      await until('all are refused', () => service.refusals.length === 6)
      assert.ok(service.refusals.every((refusal) => refusal.startsWith('subscription ')))
      await service.connection.close()
    })

    test('service:call neither answers, nor listens, nor asks other services', async () => {
      const client = await calling()
      for (const subject of ['other', 'other.x', '$SRV.PING', '$SRV.PING.other', '$SRV.STATS.billing'])
        await assertRefused(client, subject, async () => client.connection.publish(subject))
      for (const subject of ['billing', 'billing.>', '$SRV.PING.billing'])
        client.connection.subscribe(subject, { callback: () => {} })
      await client.connection.flush()
      await until('all are refused', () => client.refusals.length === 3)
      await client.connection.close()
    })
  })
}
