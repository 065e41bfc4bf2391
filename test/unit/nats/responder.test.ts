import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createResponseEncoder } from '../../../src/nats/authorization-response.ts'
import { createResponder } from '../../../src/nats/responder.ts'
import { serverConfigurationSigners } from '../../../src/nats/signers.ts'
import type { Respond } from '../../../src/service/ports.ts'
import { aRequest } from '../../support/builders.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { anIssuer } from '../../support/nats.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const ANSWER_WITHIN_MS = 1000

interface Situation {
  readonly respond: Respond
  readonly published: string[]
  readonly events: RecordedEvents
}

/** Signing takes as long as `signingMs` says. */
function aSituation(signingMs: number): Situation {
  const clock = new ManualClock()
  const events = new RecordedEvents()
  const published: string[] = []
  const { key } = anIssuer()
  const slowKey = {
    publicKey: key.publicKey,
    async sign(data: Uint8Array) {
      const signature = await key.sign(data)
      clock.pass(signingMs)
      return signature
    },
  }
  const respondTo = createResponder({
    connection: { publish: (subject) => void published.push(subject) },
    isConnected: () => true,
    encode: createResponseEncoder(serverConfigurationSigners([slowKey]), clock),
    denials: { mode: 'reply' },
    answerWithinMs: ANSWER_WITHIN_MS,
    clock,
    events,
  })
  const request = aRequest({ issuerKey: key.publicKey })
  return { respond: respondTo({ request, reply: 'inbox', receivedAtMs: 0 }), published, events }
}

test('an answer whose signature was ready in time is sent', async () => {
  const { respond, published } = aSituation(ANSWER_WITHIN_MS - 1)
  assert.equal(await respond({ allow: 'user.jwt.here' }), 'sent')
  assert.deepEqual(published, ['inbox'])
})

test('an answer whose signature was not ready in time is not sent', async () => {
  const { respond, published } = aSituation(ANSWER_WITHIN_MS)
  assert.equal(await respond({ allow: 'user.jwt.here' }), 'late')
  assert.deepEqual(published, [])
})

test('a second answer is not sent either while the first is being signed', async () => {
  const { respond, published, events } = aSituation(0)
  const deliveries = await Promise.all([respond({ deny: 'no_grants id' }), respond({ allow: 'user.jwt.here' })])
  assert.deepEqual(deliveries, ['sent', 'failed'])
  assert.deepEqual([published.length, events.unexpectedErrors.length], [1, 1])
})
