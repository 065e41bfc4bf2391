import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createOperatorKeys, encodeOperatorSetup } from '../../../src/cli/operator-setup.ts'
import { NatsLink } from '../../../src/nats/connection.ts'
import type { NatsCredentials } from '../../../src/nats/connection.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { anIssuer } from '../../support/nats.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

function aLink(credentials: NatsCredentials): NatsLink {
  const common = { servers: [], name: 'callout', clock: new ManualClock(), events: new RecordedEvents() }
  return new NatsLink({ ...common, credentials })
}

test('a seed that is not of a user is refused by the name of its file', () => {
  assert.throws(() => aLink({ kind: 'nkey', seed: anIssuer().seed, label: 'secrets/auth.nk' }), {
    code: 'ERR_KEY_INVALID',
    message: 'secrets/auth.nk: not a seed that begins with SU',
  })
})

test('creds without a JWT or a seed are refused by the name of their file', () => {
  for (const creds of ['', 'eyJ', '-----BEGIN NATS USER JWT-----\neyJ\n------END NATS USER JWT------\n']) {
    assert.throws(() => aLink({ kind: 'creds', creds, label: 'secrets/auth.creds' }), {
      code: 'ERR_KEY_INVALID',
      message: 'secrets/auth.creds: not a creds file with a user JWT and a user seed',
    })
  }
})

test('creds are accepted without the line break at their end, as files are read', async () => {
  const { serviceCreds } = await encodeOperatorSetup(createOperatorKeys([]))
  aLink({ kind: 'creds', creds: serviceCreds.trimEnd(), label: 'secrets/auth.creds' })
})
