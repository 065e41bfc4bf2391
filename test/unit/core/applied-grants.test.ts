import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appliedGrants, type AppliedGrants } from '../../../src/core/applied-grants.ts'
import type { Grant, Policy, RoleBinding, ValidityWindow } from '../../../src/core/grant.ts'
import { aGrant, anIdentity, aPolicy, aRequest, NOW_MS } from '../../support/builders.ts'

const MINUTE_MS = 60_000
const GROUPS = Array.from({ length: 100 }, (_, index) => `g${index}`)

function applied(policy: Partial<Policy>): AppliedGrants {
  return appliedGrants(anIdentity({ groups: GROUPS }), aRequest().client, aPolicy(policy), NOW_MS)
}

/** Bindings of one role to every group of the client. */
function toEveryGroup(windowOf: (index: number) => ValidityWindow = () => ({})): RoleBinding[] {
  return GROUPS.map((group, index) => ({ member: `group:corp:${group}`, role: 'role:r', ...windowOf(index) }))
}

function ofRole(change: Partial<Grant> = {}): Grant {
  return aGrant({ id: 'r', principal: 'role:r', ...change })
}

const starting = (index: number): ValidityWindow => ({ validFromMs: NOW_MS + (index + 1) * MINUTE_MS })
const ended = (index: number): ValidityWindow => ({ validUntilMs: NOW_MS - index })

test('the bindings are gone through once, however many grants there are', () => {
  const looksAtBindings = (grants: readonly Grant[]): number => {
    let looks = 0
    const bindings = toEveryGroup().map(({ member, role }) => ({
      member,
      get role() {
        looks += 1
        return role
      },
    }))
    applied({ grants, bindings })
    return looks
  }
  const many = Array.from({ length: 50 }, (_, index) => ofRole({ id: `r${index}` }))
  assert.equal(looksAtBindings(many), looksAtBindings(many.slice(0, 1)))
})

test('a deny of a role that comes by many bindings is applied once', () => {
  const windows = (index: number): ValidityWindow => ({ validUntilMs: NOW_MS + (index + 1) * MINUTE_MS })
  const { denies } = applied({ grants: [ofRole({ effect: 'deny' })], bindings: toEveryGroup(windows) })
  assert.deepEqual(
    denies.map(({ id }) => id),
    ['r'],
  )
})

for (const effect of ['allow', 'deny'] as const) {
  test(`of a grant to ${effect} whose bindings have all ended it is said once that it has`, () => {
    const { skipped } = applied({ grants: [ofRole({ effect })], bindings: toEveryGroup(ended) })
    assert.deepEqual(skipped, [{ id: 'r', why: 'expired' }])
  })

  test(`of a grant to ${effect} with bindings that ended and bindings that start later it is said that it starts`, () => {
    const bindings = toEveryGroup((index) => (index % 2 === 0 ? ended(index) : starting(index)))
    const { skipped } = applied({ grants: [ofRole({ effect })], bindings })
    assert.deepEqual(skipped, [{ id: 'r', why: 'not_yet_valid' }])
  })
}

test('of a deny whose bindings start at different times the first start counts', () => {
  const { laterDenies } = applied({
    grants: [ofRole({ effect: 'deny' })],
    bindings: toEveryGroup(starting).toReversed(),
  })
  assert.deepEqual(laterDenies, [{ id: 'r', account: 'APP', validFromMs: NOW_MS + MINUTE_MS }])
})

test('a deny that holds by one binding and starts by another is applied, and its start counts', () => {
  const bindings = toEveryGroup((index) => (index === 0 ? { validUntilMs: NOW_MS + MINUTE_MS } : starting(index)))
  const { denies, laterDenies, skipped } = applied({ grants: [ofRole({ effect: 'deny' })], bindings })
  assert.deepEqual(
    [denies.map(({ id }) => id), laterDenies.map(({ validFromMs }) => validFromMs), skipped],
    [['r'], [NOW_MS + 2 * MINUTE_MS], []],
  )
})

test('a deny that starts with a binding starts no earlier than it says itself', () => {
  const grants = [ofRole({ effect: 'deny', validFromMs: NOW_MS + 30 * MINUTE_MS })]
  const { laterDenies } = applied({ grants, bindings: toEveryGroup(starting) })
  assert.deepEqual(new Set(laterDenies.map(({ validFromMs }) => validFromMs)), new Set([NOW_MS + 30 * MINUTE_MS]))
})

test('a binding holds from its first millisecond to before its last', () => {
  const heldBy = (window: ValidityWindow): number =>
    applied({ grants: [ofRole()], bindings: [{ member: 'group:corp:g0', role: 'role:r', ...window }] }).allows.length
  assert.equal(heldBy({ validFromMs: NOW_MS, validUntilMs: NOW_MS + 1 }), 1)
  assert.equal(heldBy({ validFromMs: NOW_MS + 1 }), 0)
  assert.equal(heldBy({ validUntilMs: NOW_MS }), 0)
})

test('{{client_id}} stands for the client, and a grant with it is of no use to who came through none', () => {
  const grants = [aGrant({ id: 'g', principal: 'user:corp:alice', subject: 'apps.{{client_id}}' })]
  const of = (clientId: object): AppliedGrants =>
    appliedGrants(anIdentity(clientId), aRequest().client, aPolicy({ grants }), NOW_MS)
  assert.deepEqual(
    of({ clientId: 'cli' }).allows[0]?.subjects.map(({ subject }) => subject),
    ['apps.cli'],
  )
  assert.deepEqual(of({}).skipped, [{ id: 'g', why: 'variable_unresolved' }])
})
