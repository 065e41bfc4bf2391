import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { ConnectionCondition } from '../../src/core/connection-condition.ts'
import { systemClock } from '../../src/service/clock.ts'
import type { PolicyAdmin, PolicyReader } from '../../src/service/ports.ts'
import { NOW_MS } from '../support/builders.ts'
import { aNewGrant } from './stored-rows.ts'

export interface PolicyStoreUnderTest {
  readonly reader: PolicyReader
  readonly admin: PolicyAdmin
}

const ORIGIN = { reason: 'ticket OPS-1', createdBy: 'ann' }
const ACTOR = { reason: 'left the team', removedBy: 'bob' }

function soon(): number {
  return systemClock.monotonicMs() + 5000
}

/** What every `PolicyReader` and `PolicyAdmin` over the same rows must do. `empty` makes a store without rows. */
export function policyStoreContract(name: string, empty: () => Promise<PolicyStoreUnderTest>): void {
  void suite(`${name} as a policy store`, () => {
    readContract(empty)
    editContract(empty)
    refusalContract(empty)
  })
}

function readContract(empty: () => Promise<PolicyStoreUnderTest>): void {
  test('returns a grant with every field as it was added', async () => {
    const { reader, admin } = await empty()
    const grant = aNewGrant({
      effect: 'deny',
      action: 'subscribe',
      subject: 'orders.{{team}}.*.日本.>',
      queue: 'workers',
      validFromMs: NOW_MS,
      validUntilMs: NOW_MS + 1,
      condition: { connectionTypes: ['MQTT', 'STANDARD'], sourceCidrs: ['10.0.0.0/8', '2001:db8::/32'] },
    })
    await admin.addGrants([grant])
    const { reason: _reason, createdBy: _createdBy, ...stored } = grant
    assert.deepEqual((await reader.read([grant.principal], soon())).grants, [stored])
  })

  test('returns each part of a condition alone, as it was added', async () => {
    const { reader, admin } = await empty()
    const parts: ConnectionCondition[] = [
      { connectionTypes: ['LEAFNODE'] },
      { sourceCidrs: ['::1/128'] },
      { tls: 'required' },
      { tls: 'mutual' },
    ]
    await admin.addGrants(parts.map((condition, index) => aNewGrant({ id: `g${index}`, condition })))
    const { grants } = await reader.read(['user:corp:alice'], soon())
    assert.deepEqual(
      grants.map(({ condition }) => condition),
      parts,
    )
  })

  test('returns grants, bindings and locks of the asked principals only', async () => {
    const { reader, admin } = await empty()
    for (const [index, principal] of ['user:corp:al', 'user:corp:alice', 'user:corp:alice2'].entries()) {
      await admin.addGrants([aNewGrant({ id: `g${index}`, principal })])
      await admin.addRoleBinding({ member: principal, role: `role:r${index}`, ...ORIGIN })
      await admin.addLock({ id: `l${index}`, target: principal, ...ORIGIN })
    }
    const policy = await reader.read(['user:corp:alice'], soon())
    assert.deepEqual(
      [policy.grants.map(({ id }) => id), policy.bindings.map(({ role }) => role), policy.locks.map(({ id }) => id)],
      [['g1'], ['role:r1'], ['l1']],
    )
  })

  test('returns the grants of bound roles, whatever the window of the binding', async () => {
    const { reader, admin } = await empty()
    await admin.addGrants([aNewGrant({ principal: 'role:reader' }), aNewGrant({ id: 'g2', principal: 'role:other' })])
    const binding = { member: 'group:corp:ops', role: 'role:reader', validUntilMs: NOW_MS - 1000 }
    await admin.addRoleBinding({ ...binding, ...ORIGIN })
    const policy = await reader.read(['group:corp:ops'], soon())
    assert.deepEqual([policy.bindings, policy.grants.map(({ id }) => id)], [[binding], ['g1']])
  })

  test('returns a row once for principals that are asked for twice', async () => {
    const { reader, admin } = await empty()
    await admin.addGrants([aNewGrant({ principal: 'role:reader' })])
    await admin.addRoleBinding({ member: 'user:corp:alice', role: 'role:reader', ...ORIGIN })
    await admin.addRoleBinding({ member: 'group:corp:ops', role: 'role:reader', ...ORIGIN })
    const asked = ['user:corp:alice', 'user:corp:alice', 'group:corp:ops', 'role:reader']
    const policy = await reader.read(asked, soon())
    assert.deepEqual([policy.grants.length, policy.bindings.length], [1, 2])
  })

  test('returns no rows for unknown principals, for none, and for one that is not Unicode', async () => {
    const { reader, admin } = await empty()
    await admin.addGrants([aNewGrant({ principal: 'user:corp:\ufffd' })])
    for (const principals of [['user:corp:nobody'], [], ['user:corp:\ud800']]) {
      const { grants, bindings, locks } = await reader.read(principals, soon())
      assert.deepEqual([grants, bindings, locks], [[], [], []])
    }
  })

  test('reads at a time not before the last change', async () => {
    const { reader, admin } = await empty()
    await admin.addGrants([aNewGrant()])
    const [stored] = await admin.listGrants({}, 1)
    const { readTimestamp } = await reader.read(['user:corp:alice'], soon())
    assert.match(readTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    assert.ok(readTimestamp >= (stored?.createdAt ?? 'no row'))
  })
}

function editContract(empty: () => Promise<PolicyStoreUnderTest>): void {
  test('lists grants in order of principal and id, filtered and limited', async () => {
    const { admin } = await empty()
    await admin.addGrants([
      aNewGrant({ id: 'b', principal: 'user:corp:bob', account: 'OPS' }),
      aNewGrant({ id: 'd' }),
      aNewGrant({ id: 'c' }),
    ])
    const ids = async (...args: Parameters<PolicyAdmin['listGrants']>): Promise<string[]> =>
      (await admin.listGrants(...args)).map(({ id }) => id)
    assert.deepEqual(await ids({}, 10), ['c', 'd', 'b'])
    assert.deepEqual(await ids({}, 2), ['c', 'd'])
    assert.deepEqual(await ids({ principal: 'user:corp:bob' }, 10), ['b'])
    assert.deepEqual(await ids({ account: 'APP' }, 10), ['c', 'd'])
    assert.deepEqual(await ids({ principal: 'user:corp:bob', account: 'APP' }, 10), [])
  })

  test('removes a grant and returns what it was', async () => {
    const { reader, admin } = await empty()
    await admin.addGrants([aNewGrant()])
    const [stored] = await admin.listGrants({}, 1)
    assert.deepEqual(await admin.removeGrant('g1', ACTOR), stored)
    assert.deepEqual((await reader.read(['user:corp:alice'], soon())).grants, [])
  })

  test('says so when there is no grant to remove', async () => {
    const { admin } = await empty()
    await assert.rejects(admin.removeGrant('g1', ACTOR), { code: 'ERR_STORE_NOT_FOUND' })
  })

  test('adds all grants or none', async () => {
    const { admin } = await empty()
    await admin.addGrants([aNewGrant()])
    const rest = [aNewGrant({ id: 'g2' }), aNewGrant()]
    await assert.rejects(admin.addGrants(rest), { code: 'ERR_STORE_CONFLICT' })
    assert.equal((await admin.listGrants({}, 10)).length, 1)
  })

  test('refuses the id of another principal’s grant', async () => {
    const { admin } = await empty()
    await admin.addGrants([aNewGrant()])
    const same = aNewGrant({ principal: 'user:corp:bob' })
    await assert.rejects(admin.addGrants([same]), { code: 'ERR_STORE_CONFLICT' })
  })

  test('refuses a second binding of the same role and a second lock with the same id', async () => {
    const { admin } = await empty()
    const binding = { member: 'user:corp:alice', role: 'role:reader', ...ORIGIN }
    await admin.addRoleBinding(binding)
    await assert.rejects(admin.addRoleBinding(binding), { code: 'ERR_STORE_CONFLICT' })
    await admin.addLock({ id: 'l1', target: 'user:corp:alice', ...ORIGIN })
    const lock = { id: 'l1', target: 'user:corp:bob', ...ORIGIN }
    await assert.rejects(admin.addLock(lock), { code: 'ERR_STORE_CONFLICT' })
  })
}

function refusalContract(empty: () => Promise<PolicyStoreUnderTest>): void {
  const badGrants = [
    ['CK_Grants_Principal', { principal: 'user:alice' }],
    ['CK_Grants_Subject', { subject: 'orders..new' }],
    ['CK_Grants_QueueGroup', { action: 'subscribe', queue: '{{team}}' }],
    ['CK_Grants_QueueOnSubscribe', { action: 'publish', queue: 'workers' }],
    ['CK_Grants_ConnectionTypes', { condition: { connectionTypes: ['TELNET'] } }],
    ['CK_Grants_ConnectionTypes', { condition: { connectionTypes: [] } }],
    ['CK_Grants_SourceCidrs', { condition: { sourceCidrs: ['10.0.0.1'] } }],
    ['CK_Grants_SourceCidrs', { condition: { sourceCidrs: [] } }],
    ['CK_Grants_Tls', { effect: 'deny', condition: { tls: 'required' } }],
    ['CK_Grants_Window', { validFromMs: NOW_MS, validUntilMs: NOW_MS }],
    // The same reason goes into GrantChanges, and the database may look at either row first.
    ['CK_Grant(?:s|Changes)_Reason', { reason: ' ' }],
  ] as const
  for (const [constraint, change] of badGrants) {
    test(`refuses a grant with ${JSON.stringify(change)}, which violates ${constraint}, by name, and the others with it`, async () => {
      const { admin } = await empty()
      const grants = [aNewGrant({ id: 'good' }), aNewGrant({ ...change })]
      await assert.rejects(admin.addGrants(grants), {
        code: 'ERR_STORE_REFUSED',
        message: new RegExp(`${constraint}$`),
      })
      assert.deepEqual(await admin.listGrants({}, 10), [])
    })
  }

  test('refuses a removal without a reason, and keeps the grant', async () => {
    const { admin } = await empty()
    await admin.addGrants([aNewGrant()])
    await assert.rejects(admin.removeGrant('g1', { ...ACTOR, reason: '' }), { code: 'ERR_STORE_REFUSED' })
    assert.equal((await admin.listGrants({}, 10)).length, 1)
  })

  test('refuses roles that nest', async () => {
    const { admin } = await empty()
    const nested = { member: 'role:a', role: 'role:b', ...ORIGIN }
    await assert.rejects(admin.addRoleBinding(nested), { code: 'ERR_STORE_REFUSED', message: /CK_RoleBindings_Member/ })
  })
}
