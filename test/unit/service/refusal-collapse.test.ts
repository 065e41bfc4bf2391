import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { AuditEntry } from '../../../src/core/audit-entry.ts'
import type { DenyReason } from '../../../src/core/reasons.ts'
import { RefusalCollapse } from '../../../src/service/refusal-collapse.ts'
import { aDeny, anEntry } from '../../contract/stored-rows.ts'
import { ManualClock } from '../../support/manual-clock.ts'

interface Rows {
  readonly clock: ManualClock
  readonly written: AuditEntry[]
  readonly collapse: RefusalCollapse
  /** The id that the client is told. */
  readonly refuse: (
    id: number,
    change?: { reason?: DenyReason; host?: string; issuerId?: string; principal?: string },
  ) => string
}

function rows(): Rows {
  const clock = new ManualClock()
  const written: AuditEntry[] = []
  const collapse = new RefusalCollapse({ clock, write: (entry) => written.push(entry) })
  return {
    clock,
    written,
    collapse,
    refuse(
      id,
      { reason = 'signature_invalid', host = '10.0.0.1', issuerId = 'corp', principal = 'user:corp:alice' } = {},
    ) {
      const refusal = aDeny({ id: String(id), reason, decidedAtMs: clock.nowMs() })
      const entry = anEntry(refusal, { issuerId, principal })
      const from = { ...entry.request, client: { ...entry.request.client, host } }
      return collapse.absorb({ ...entry, request: from }, refusal)?.id ?? `own ${id}`
    },
  }
}

suite('a flood of refusals', () => {
  test('has five rows of its own, and one for all others, which are told its id', () => {
    const { refuse } = rows()
    const told = Array.from({ length: 8 }, (_, index) => refuse(index + 1))
    assert.deepEqual(told, ['own 1', 'own 2', 'own 3', 'own 4', 'own 5', '6', '6', '6'])
  })

  test('is one flood from all addresses of an IPv6 network, which one host has', () => {
    const { refuse } = rows()
    const told = Array.from({ length: 8 }, (_, index) => refuse(index + 1, { host: `2001:db8::${index}` }))
    assert.deepEqual(told.slice(4), ['own 5', '6', '6', '6'])
    assert.equal(refuse(9, { host: '2001:db8:0:1::1' }), 'own 9')
  })

  test('is written after ten seconds, with the number of those without a row', async () => {
    const { refuse, clock, written } = rows()
    for (let id = 1; id <= 8; id += 1) refuse(id)
    const sinceMs = clock.nowMs()
    await clock.advance(9_999)
    assert.equal(written.length, 0)
    await clock.advance(1)
    assert.deepEqual(
      written.map(({ decision, repeats }) => [decision.id, repeats]),
      [['6', { count: 2, sinceMs }]],
    )
    assert.equal(refuse(9), 'own 9')
  })

  test('of another reason, address, issuer or principal is another one', () => {
    const { refuse } = rows()
    for (let id = 1; id <= 6; id += 1) refuse(id)
    assert.equal(refuse(7, { reason: 'token_expired' }), 'own 7')
    assert.equal(refuse(8, { host: '10.0.0.2' }), 'own 8')
    assert.equal(refuse(9, { issuerId: 'other' }), 'own 9')
    assert.equal(refuse(10, { principal: 'user:corp:bob' }), 'own 10')
    assert.equal(refuse(11), '6')
  })

  test('that ends before a second one is collapsed is a row like any other', async () => {
    const { refuse, clock, written } = rows()
    for (let id = 1; id <= 6; id += 1) refuse(id)
    await clock.advance(10_000)
    assert.deepEqual(
      written.map(({ repeats }) => repeats),
      [undefined],
    )
  })

  test('from ever new addresses takes no more memory, and loses no count', () => {
    const { refuse, written, collapse } = rows()
    for (let id = 1; id <= 7; id += 1) refuse(id)
    for (let id = 0; id < 5000; id += 1) refuse(id + 10, { host: `10.1.${id >> 8}.${id & 255}` })
    assert.equal(written.length, 1)
    collapse.flush()
    assert.equal(written.length, 1)
  })

  test('is written at the end', () => {
    const { refuse, written, collapse } = rows()
    for (let id = 1; id <= 9; id += 1) refuse(id)
    collapse.flush()
    assert.deepEqual(
      written.map(({ repeats }) => repeats?.count),
      [3],
    )
  })
})
