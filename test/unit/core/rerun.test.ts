import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { decide, type DecisionInput } from '../../../src/core/decide.ts'
import { differencesBetween, factsOf, type DecisionFacts } from '../../../src/core/decision-difference.ts'
import type { RecordedInFull } from '../../../src/core/recorded-decision.ts'
import { differencesFromRecord, differencesLater, inputAsThen, rerunInputs } from '../../../src/core/rerun.ts'
import {
  aDecisionInput,
  aGrant,
  anIdentity,
  aPolicy,
  NOW_MS,
  NOW_SECONDS,
  sessionRules,
} from '../../support/builders.ts'

const HOUR_MS = 3_600_000

/** What the audit keeps of a decision on this input. */
function recordOf(input: DecisionInput, change: Partial<RecordedInFull> = {}): RecordedInFull {
  const decision = decide(input)
  const { identity, wantedAccount, connection } = input
  return {
    id: input.id,
    decidedAtMs: input.nowMs,
    outcome: decision.outcome,
    ...(decision.outcome === 'allow' && { account: decision.account }),
    grantsReadAt: '2023-11-14T22:13:20Z',
    made: { identity, wantedAccount, connection },
    missing: [],
    connection: { serverName: 'n1' },
    facts: factsOf(decision),
    cut: [],
    ...change,
  }
}

function whatDiffers(first: DecisionFacts, second: DecisionFacts): string[] {
  return differencesBetween(first, second).map(({ what }) => what)
}

function rerun(record: RecordedInFull, { policy, rules }: DecisionInput): readonly string[] {
  const found = rerunInputs(record)
  assert.ok('inputs' in found)
  return differencesFromRecord(record, inputAsThen(record, found.inputs, { policy, rules }), rules.jitter).map(
    ({ what }) => what,
  )
}

suite('a decision made again', () => {
  test('is the same as recorded, however chance has shortened the session', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (random, jitter) => {
          const input = aDecisionInput({ random, rules: sessionRules({ jitter }) })
          assert.deepEqual(rerun(recordOf(input), input), [])
        },
      ),
    )
  })

  test('differs when the session is longer than any, or shorter than chance makes it', () => {
    const input = aDecisionInput({ rules: sessionRules({ jitter: 0.1 }) })
    const { facts } = recordOf(input)
    for (const lengthMs of [HOUR_MS + 1000, 0.9 * HOUR_MS - 1000]) {
      const session = { shortestMs: lengthMs, longestMs: lengthMs }
      assert.deepEqual(rerun(recordOf(input, { facts: { ...facts, session } }), input), ['session'])
    }
  })

  test('says what only one of them has', () => {
    const before = decide(aDecisionInput())
    const grants = [aGrant({ id: 'g2', subject: 'other' }), aGrant({ id: 'g3', validUntilMs: NOW_MS })]
    const after = decide(aDecisionInput({ policy: aPolicy({ grants }) }))
    assert.deepEqual(differencesBetween(factsOf(before), factsOf(after)), [
      { what: 'publish allow', first: ['orders.new'], second: ['other'] },
      { what: 'grants used', first: ['g1'], second: ['g2'] },
      { what: 'grants skipped', first: [], second: ['g3 expired'] },
    ])
  })

  test('compares a list of skipped grants that was cut as far as it goes, and its length', () => {
    const skipped = ['a', 'b', 'c'].map((id) => ({ id, why: 'expired' }))
    const full: DecisionFacts = {
      outcome: 'deny',
      reason: 'grants_expired',
      grantIds: [],
      lockIds: [],
      skipped,
      skippedBesides: 0,
    }
    const cut = { ...full, skipped: skipped.slice(0, 2), skippedBesides: 1 }
    assert.deepEqual(whatDiffers(cut, full), [])
    assert.deepEqual(whatDiffers(full, cut), [])
    assert.deepEqual(whatDiffers({ ...cut, skippedBesides: 2 }, full), ['grants skipped'])
    assert.deepEqual(whatDiffers({ ...cut, skipped: [{ id: 'x', why: 'expired' }, ...skipped.slice(0, 1)] }, full), [
      'grants skipped',
    ])
  })

  test('takes the account of a row that does not say whether the client named it', () => {
    const grants = [aGrant(), aGrant({ id: 'g2', account: 'OPS' })]
    const input = aDecisionInput({ wantedAccount: 'APP', policy: aPolicy({ grants }) })
    const { identity, connection } = input
    const made = { identity, connection, wantedAccount: undefined }
    assert.deepEqual(rerun(recordOf(input, { made, missing: ['attributes'] }), input), [])
    assert.ok(rerun(recordOf(input, { made }), input).includes('outcome'))
  })

  test('cannot be made where the grants had no part', () => {
    const record = recordOf(aDecisionInput())
    const { made: _made, ...unknown } = record
    assert.deepEqual(rerunInputs(unknown), { nothing: 'token_not_accepted' })
    const { grantsReadAt: _readAt, ...unread } = record
    assert.deepEqual(rerunInputs(unread), { nothing: 'grants_not_read' })
  })
})

suite('the same client later', () => {
  test('gets the same on the same rows, whatever the fraction of the second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 * HOUR_MS }), fc.integer({ min: 0, max: 999 }), (laterMs, fraction) => {
        const identity = anIdentity({ token: { expiresAt: NOW_SECONDS + 1800 } })
        const input = aDecisionInput({ identity, nowMs: NOW_MS + fraction })
        const { policy, rules } = input
        assert.deepEqual(differencesLater(input, { policy, rules, nowMs: NOW_MS + laterMs }), [])
      }),
    )
  })

  test('is told what is lost, what is gained, and that its session ends sooner', () => {
    const input = aDecisionInput()
    const grants = [aGrant({ subject: 'orders.*', validUntilMs: NOW_MS + 2.5 * HOUR_MS })]
    assert.deepEqual(
      differencesLater(input, { policy: aPolicy({ grants }), rules: input.rules, nowMs: NOW_MS + 2 * HOUR_MS }),
      [
        { what: 'publish allow', first: ['orders.new'], second: ['orders.*'] },
        { what: 'session', first: ['3600s'], second: ['1800s'] },
      ],
    )
  })
})
