import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import { CALLOUT_SUBJECT } from '../../src/nats/callout-endpoint.ts'

/** What nats-server says against an attempt on a connection, which is ended; undefined when nothing. */
export async function refusalOf(
  connection: NatsConnection,
  attempt: (connection: NatsConnection) => void,
): Promise<string | undefined> {
  let refusal: string | undefined
  const watch = (async () => {
    for await (const status of connection.status()) if (status.type === 'error') refusal ??= status.error.message
  })()
  attempt(connection)
  await connection.flush()
  await connection.close()
  await watch
  return refusal
}

/** Fails unless the user of the connections may do what the service has to in the callout account, and nothing else. */
export async function assertServicePermissions(connect: () => Promise<NatsConnection>): Promise<void> {
  const subscribing = async (subject: string, queue?: string): Promise<string | undefined> =>
    await refusalOf(await connect(), (connection) => {
      connection.subscribe(subject, { ...(queue !== undefined && { queue }), callback: () => {} })
    })
  assert.equal(await subscribing(CALLOUT_SUBJECT, 'callout'), undefined)
  for (const subject of ['$SYS.ACCOUNT.CLIENT.AUTH.ERR', 'callout.heartbeat.*', '$SRV.>'])
    assert.equal(await subscribing(subject), undefined)
  assert.match((await subscribing(CALLOUT_SUBJECT)) ?? '', /Permissions Violation/i)
  assert.match((await subscribing(CALLOUT_SUBJECT, 'other')) ?? '', /Permissions Violation/i)
  assert.match((await subscribing('>', 'callout')) ?? '', /Permissions Violation/i)
  const publishing = await refusalOf(await connect(), (connection) => connection.publish('orders.created'))
  assert.match(publishing ?? '', /Permissions Violation/i)
}
