import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { decide } from '../../../src/core/decide.ts'
import { differencesBetween, factsOf } from '../../../src/core/decision-difference.ts'
import type { Actor, Identity } from '../../../src/core/identity.ts'
import { principalOf } from '../../../src/core/principal.ts'
import { decodeRecordedInFull, RECORDED_IN_FULL_COLUMNS } from '../../../src/spanner/decision-facts.ts'
import { encodeDecision } from '../../../src/spanner/decision-row.ts'
import { DECISION_COLUMNS } from '../../../src/spanner/schema.ts'
import type { Row } from '../../../src/spanner/values.ts'
import { anEntry } from '../../contract/stored-rows.ts'
import { aDecisionInput, aGrant, anIdentity, aPolicy, NOW_MS, NOW_SECONDS } from '../../support/builders.ts'

/** What fits its column and holds nothing that is written as a code. */
const TEXT = fc.string({ minLength: 1, maxLength: 20 })

const ACTORS: readonly Actor[] = [
  { subject: 'agent-7' },
  { issuer: 'https://agents.example', clientId: 'a"}' },
  { subject: 'b', issuer: 'c', clientId: 'd' },
]

const IDENTITY: fc.Arbitrary<Identity> = fc
  .record({
    subject: TEXT,
    clientId: fc.option(TEXT, { nil: undefined }),
    groups: fc.array(TEXT, { maxLength: 5 }),
    attributes: fc.dictionary(fc.oneof(TEXT, fc.constant('__proto__')), TEXT, { noNullPrototype: true }),
    actors: fc.array(fc.constantFrom(...ACTORS), { maxLength: 3 }),
    tokenId: TEXT,
  })
  .map(({ clientId, actors, tokenId, ...rest }) =>
    anIdentity({
      ...rest,
      ...(clientId !== undefined && { clientId }),
      ...(actors.length > 0 && { actors }),
      token: { id: tokenId, issuer: 'https://idp.example', expiresAt: NOW_SECONDS + 7200 },
    }),
  )

const GRANTS = fc.array(
  fc.record({
    subject: fc.constantFrom('a', 'a.*', 'b.>', '{{team}}.x', 'c'),
    effect: fc.constantFrom('allow' as const, 'deny' as const),
    action: fc.constantFrom('publish' as const, 'subscribe' as const),
    validUntilMs: fc.constantFrom(NOW_MS - 1, NOW_MS + 1_800_000),
    account: fc.constantFrom('APP', 'OPS', 'SYS'),
  }),
  { maxLength: 6 },
)

/** The cells that a reader asks for, of the row that the service writes. */
function readBack(row: Row): Row {
  return RECORDED_IN_FULL_COLUMNS.map((column) => row[DECISION_COLUMNS.indexOf(column)] ?? assert.fail(column))
}

suite('a decision that the service has written', () => {
  test('is read back as what it was made of and what it was', () => {
    fc.assert(
      fc.property(IDENTITY, GRANTS, fc.boolean(), (identity, drafts, isPlaced) => {
        const grants = drafts.map((draft, index) =>
          aGrant({ ...draft, id: `g${index}`, principal: principalOf(identity) }),
        )
        const wantedAccount = isPlaced ? 'APP' : undefined
        const decision = decide(aDecisionInput({ identity, wantedAccount, policy: aPolicy({ grants }) }))
        const {
          wantedAccount: _w,
          clientId: _c,
          displayName: _d,
          ...entry
        } = anEntry(decision, {
          principal: principalOf(identity),
          actors: identity.actors ?? [],
          groups: identity.groups,
          attributes: identity.attributes,
          token: identity.token,
          ...(identity.clientId !== undefined && { clientId: identity.clientId }),
        })
        const named = identity.clientId === undefined ? {} : { clientId: identity.clientId }
        const recorded = decodeRecordedInFull(
          readBack(encodeDecision({ ...entry, ...named, ...(isPlaced && { wantedAccount: 'APP' }) })),
        )
        assert.deepEqual(recorded.made?.identity, identity)
        assert.equal(recorded.made.wantedAccount, wantedAccount)
        assert.deepEqual(differencesBetween(recorded.facts, factsOf(decision)), [])
        assert.deepEqual([recorded.missing, recorded.cut], [[], []])
      }),
    )
  })

  test('says which inputs were cut to fit', () => {
    const long = 'x'.repeat(2000)
    const row = encodeDecision(
      anEntry(undefined, { groups: [long], attributes: { [long]: 'a' }, principal: 'user:corp:alice' }),
    )
    assert.deepEqual(decodeRecordedInFull(readBack(row)).cut, ['groups', 'attributes'])
  })
})
