import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decide } from '../../../src/core/decide.ts'
import type { Decision } from '../../../src/core/decision.ts'
import type { DenyReason } from '../../../src/core/reasons.ts'
import { createFailureLimits } from '../../../src/service/failure-limits.ts'
import { aDecisionInput, NOW_MS } from '../../support/builders.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const ALLOW = decide(aDecisionInput())
const HOST = '192.0.2.7'
const ALICE = 'user:corp:alice'

function aDenial(reason: DenyReason): Decision {
  return { id: 'd', decidedAtMs: NOW_MS, outcome: 'deny', reason, lockIds: [], skippedGrants: [] }
}

function aSituation(change: { perAddress?: number; perPrincipal?: number } = {}) {
  const clock = new ManualClock()
  const limits = createFailureLimits({ perAddress: 10, perPrincipal: 5, windowMs: 60_000, clock, ...change })
  return {
    clock,
    limits,
    /** Refusals of tokens that were not genuine. */
    fail: (times: number, host = HOST, reason: DenyReason = 'signature_invalid'): void => {
      for (let i = 0; i < times; i += 1) limits.judged(aDenial(reason), host, undefined)
    },
    failAs: (times: number, principal = ALICE, reason: DenyReason = 'no_grants'): void => {
      for (let i = 0; i < times; i += 1) limits.judged(aDenial(reason), HOST, principal)
    },
  }
}

suite('an address', () => {
  test('is refused after as many failures as it may have', () => {
    const { limits, fail } = aSituation()
    fail(9)
    assert.equal(limits.refusesAddress(HOST), false)
    fail(1)
    assert.equal(limits.refusesAddress(HOST), true)
    assert.equal(limits.refusesAddress('192.0.2.8'), false)
  })

  test('is judged again after a while, and refused again after one more failure', () => {
    const { limits, fail, clock } = aSituation()
    fail(10)
    clock.pass(6_001)
    assert.equal(limits.refusesAddress(HOST), false)
    fail(1)
    assert.equal(limits.refusesAddress(HOST), true)
  })

  test('is judged again as soon, however many failures there were', () => {
    const { limits, fail, clock } = aSituation()
    fail(100_000)
    clock.pass(6_001)
    assert.equal(limits.refusesAddress(HOST), false)
  })

  test('is not refused for what it was refused for', () => {
    const { limits, fail, clock } = aSituation()
    fail(10)
    clock.pass(3_000)
    fail(1000, HOST, 'too_many_failures')
    clock.pass(3_001)
    assert.equal(limits.refusesAddress(HOST), false)
  })

  test('is not refused for what was no fault of its clients', () => {
    const { limits, fail } = aSituation()
    fail(100, HOST, 'overloaded')
    fail(100, HOST, 'grants_unavailable')
    assert.equal(limits.refusesAddress(HOST), false)
  })

  test('from which one in ten gets in is never refused', () => {
    const { limits, fail } = aSituation()
    for (let i = 0; i < 100; i += 1) {
      fail(9)
      limits.judged(ALLOW, HOST, ALICE)
      assert.equal(limits.refusesAddress(HOST), false)
    }
  })

  test('that is refused is not refused for long when others behind it are right', () => {
    const { limits, fail, clock } = aSituation()
    fail(1000)
    clock.pass(6_001)
    limits.judged(ALLOW, HOST, ALICE)
    fail(9)
    assert.equal(limits.refusesAddress(HOST), false)
  })

  test('of IPv6 is counted with its network', () => {
    const { limits, fail } = aSituation()
    for (let i = 0; i < 10; i += 1) fail(1, `2001:db8:1:2::${i}`)
    assert.equal(limits.refusesAddress('2001:db8:1:2:9:9:9:9'), true)
  })

  test('is not refused for what a genuine token may not', () => {
    const { limits, failAs } = aSituation()
    failAs(1000)
    assert.equal(limits.refusesAddress(HOST), false)
  })
})

suite('a principal', () => {
  test('is refused after as many failures as it may have', () => {
    const { limits, failAs } = aSituation()
    failAs(5)
    assert.equal(limits.refusesPrincipal(ALICE), true)
    assert.equal(limits.refusesPrincipal('user:corp:bob'), false)
  })

  test('cannot be locked out by anybody without a genuine token of it', () => {
    const { limits, fail } = aSituation()
    fail(1000, '198.51.100.1')
    assert.equal(limits.refusesPrincipal(ALICE), false)
    assert.equal(limits.refusesAddress(HOST), false)
  })

  test('that is admitted begins anew', () => {
    const { limits, failAs } = aSituation()
    failAs(4)
    limits.judged(ALLOW, HOST, ALICE)
    failAs(4)
    assert.equal(limits.refusesPrincipal(ALICE), false)
  })
})

test('a limit of 0 is none', () => {
  const { limits, fail, failAs } = aSituation({ perAddress: 0, perPrincipal: 0 })
  fail(1000)
  failAs(1000)
  assert.deepEqual([limits.refusesAddress(HOST), limits.refusesPrincipal(ALICE)], [false, false])
})

test('of any number of addresses a bounded number is known, and the one that goes on is', () => {
  const { limits, fail } = aSituation({ perAddress: 1 })
  const addresses = Array.from({ length: 100_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  for (const [i, address] of addresses.entries()) {
    fail(1, address)
    if (i % 1000 === 0) fail(1)
  }
  assert.equal(limits.refusesAddress(HOST), true)
  assert.ok(addresses.filter((address) => limits.refusesAddress(address)).length <= 16_384)
})
