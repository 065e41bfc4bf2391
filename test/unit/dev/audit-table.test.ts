import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  compareDecisions,
  matchingRows,
  writeDecisions,
  type DecisionRow,
  type ExpectedDecision,
} from '../../../src/dev/audit-table.ts'
import { recordingIo } from '../cli/recorded-io.ts'

const ALICE: ExpectedDecision = { client: 'alice', outcome: 'ALLOW', principal: 'user:local:alice', account: 'APP' }
const FORGED: ExpectedDecision = { client: 'forged', outcome: 'DENY', reason: 'signature_invalid' }

function rowFor(expected: ExpectedDecision, change: Partial<DecisionRow> = {}): DecisionRow {
  return {
    decidedAt: '2026-01-02T03:04:05.678901Z',
    decisionId: '01a2055d-9264-74c2-aa8b-41c1b2cb2214',
    reason: undefined,
    principal: undefined,
    account: undefined,
    ...expected,
    ...change,
  }
}

suite('the rows of a demo', () => {
  test('match when there is one for each connection, in any order', () => {
    assert.equal(compareDecisions([rowFor(FORGED), rowFor(ALICE)], [ALICE, FORGED]), matchingRows(2))
  })

  const wrong: [string, readonly DecisionRow[], RegExp][] = [
    ['a missing row', [rowFor(ALICE)], /^0 rows for forged$/],
    ['a row too many', [rowFor(ALICE), rowFor(ALICE), rowFor(FORGED)], /^2 rows for alice$/],
    [
      'a row of a stranger',
      [rowFor(ALICE), rowFor(FORGED), rowFor(ALICE, { client: 'eve' })],
      /nobody expected, of eve$/,
    ],
    ['a row without a client', [rowFor(ALICE), rowFor(FORGED, { client: undefined })], /of a client without a name$/],
    ['another outcome', [rowFor(ALICE, { outcome: 'DENY' }), rowFor(FORGED)], /^alice: DENY, /],
    ['another reason', [rowFor(ALICE), rowFor(FORGED, { reason: 'internal' })], /^forged: DENY, internal, /],
    ['another principal', [rowFor(ALICE, { principal: 'user:local:bob' }), rowFor(FORGED)], /^alice: .*user:local:bob/],
    ['a principal of a forged token', [rowFor(ALICE), rowFor(FORGED, { principal: 'user:local:bob' })], /^forged: /],
    ['another account', [rowFor(ALICE, { account: 'OPS' }), rowFor(FORGED)], /^alice: .* OPS$/],
  ]
  for (const [what, rows, difference] of wrong) {
    test(`do not match with ${what}`, () => {
      assert.match(compareDecisions(rows, [ALICE, FORGED]), difference)
    })
  }

  test('are printed one a line, with the time of day and the end of the id', () => {
    const { io, stdout } = recordingIo()
    writeDecisions(io, [rowFor(FORGED)])
    const [, line] = stdout().split('\n')
    assert.equal(line, '03:04:05.678  DENY     signature_invalid  -          -        forged  …b2cb2214')
  })

  for (const [decidedAt, shown] of [
    ['2026-01-02T03:04:05Z', '03:04:05.000'],
    ['2026-01-02T03:04:05.6Z', '03:04:05.600'],
  ] as const) {
    test(`are printed with the milliseconds that Spanner leaves out: ${shown}`, () => {
      const { io, stdout } = recordingIo()
      writeDecisions(io, [rowFor(FORGED, { decidedAt })])
      assert.ok(stdout().includes(`\n${shown}  DENY`))
    })
  }
})
