import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { ConnectionCondition } from '../../src/core/connection-condition.ts'
import { systemClock } from '../../src/service/clock.ts'
import { Planner, type ScopeStates } from '../../src/core/plan.ts'
import { nameOfRow } from '../../src/core/policy-row.ts'
import type { PolicyChange, PolicyRow } from '../../src/core/policy-row.ts'
import { keyDigest } from '../../src/documents/digest.ts'
import { CHANGES_PER_EDIT_MAX } from '../../src/service/ports.ts'
import type { PolicyAdmin, PolicyReader } from '../../src/service/ports.ts'
import { NOW_MS } from '../support/builders.ts'
import { aNewGrant } from './stored-rows.ts'
import { adding, removing } from '../../src/service/policy-edit.ts'

export interface PolicyStoreUnderTest {
  readonly reader: PolicyReader
  readonly admin: PolicyAdmin
}

const ORIGIN = { reason: 'ticket OPS-1', createdBy: 'ann' }
const AUTHOR = { reason: 'left the team', actor: 'bob', source: 'command' } as const

function soon(): number {
  return systemClock.monotonicMs() + 5000
}

/** What every `PolicyReader` and `PolicyAdmin` over the same rows must do. `empty` makes a store without rows. */
export function policyStoreContract(name: string, empty: () => Promise<PolicyStoreUnderTest>): void {
  void suite(`${name} as a policy store`, () => {
    readContract(empty)
    editContract(empty)
    scopeContract(empty)
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
    await admin.edit(adding('grant', grant))
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
    await admin.edit(adding('grant', ...parts.map((condition, index) => aNewGrant({ id: `g${index}`, condition }))))
    const { grants } = await reader.read(['user:corp:alice'], soon())
    assert.deepEqual(
      grants.map(({ condition }) => condition),
      parts,
    )
  })

  test('returns grants, bindings and locks of the asked principals only', async () => {
    const { reader, admin } = await empty()
    for (const [index, principal] of ['user:corp:al', 'user:corp:alice', 'user:corp:alice2'].entries()) {
      await admin.edit(adding('grant', aNewGrant({ id: `g${index}`, principal })))
      await admin.edit(adding('binding', { member: principal, role: `role:r${index}`, ...ORIGIN }))
      await admin.edit(adding('lock', { id: `l${index}`, target: principal, ...ORIGIN }))
    }
    const policy = await reader.read(['user:corp:alice'], soon())
    assert.deepEqual(
      [policy.grants.map(({ id }) => id), policy.bindings.map(({ role }) => role), policy.locks.map(({ id }) => id)],
      [['g1'], ['role:r1'], ['l1']],
    )
  })

  test('returns locks by every kind of target, and no other', async () => {
    const { reader, admin } = await empty()
    const targets = ['account:APP', 'account:OPS', 'everyone', 'token:corp:a:b', 'token:corp:c', 'user:corp:alice']
    for (const [index, target] of targets.entries()) {
      await admin.edit(adding('lock', { id: `l${index}`, target, message: `m${index}`, ...ORIGIN }))
    }
    const blocks = ['10.0.0.0/8', '2001:db8::/32'].map((sourceCidr, index) => ({
      id: `a${index}`,
      target: 'address',
      sourceCidr,
      expiresAtMs: NOW_MS,
    }))
    await admin.edit(adding('lock', ...blocks.map((lock) => ({ ...lock, ...ORIGIN }))))
    const keys = ['user:corp:al', 'account:APP', 'token:corp:a:b', 'address', 'everyone', 'token:corp:\ud800']
    const { locks, grants, bindings } = await reader.read(keys, soon())
    assert.deepEqual([grants, bindings], [[], []])
    assert.deepEqual(
      locks.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      [
        ...blocks,
        { id: 'l0', target: 'account:APP', message: 'm0' },
        { id: 'l2', target: 'everyone', message: 'm2' },
        { id: 'l3', target: 'token:corp:a:b', message: 'm3' },
      ],
    )
  })

  test('returns the grants of bound roles, whatever the window of the binding', async () => {
    const { reader, admin } = await empty()
    await admin.edit(
      adding('grant', aNewGrant({ principal: 'role:reader' }), aNewGrant({ id: 'g2', principal: 'role:other' })),
    )
    const binding = { member: 'group:corp:ops', role: 'role:reader', validUntilMs: NOW_MS - 1000 }
    await admin.edit(adding('binding', { ...binding, ...ORIGIN }))
    const policy = await reader.read(['group:corp:ops'], soon())
    assert.deepEqual([policy.bindings, policy.grants.map(({ id }) => id)], [[binding], ['g1']])
  })

  test('returns the settings of the bound roles that have a row, and of no others', async () => {
    const { reader, admin } = await empty()
    const [limited, bare, other] = ['role:limited', 'role:bare', 'role:other'].map((role) => ({ role, ...ORIGIN }))
    assert.ok(limited && bare && other)
    await admin.edit(adding('role', { ...limited, sessionMaxMs: 90_000, description: 'x' }, bare, other))
    const roles = ['role:limited', 'role:bare', 'role:without-row']
    await admin.edit(adding('binding', ...roles.map((role) => ({ member: 'user:corp:alice', role, ...ORIGIN }))))
    const policy = await reader.read(['user:corp:alice', 'user:corp:bob'], soon())
    assert.deepEqual(
      policy.roles.toSorted((a, b) => a.role.localeCompare(b.role)),
      [{ role: 'role:bare' }, { role: 'role:limited', sessionMaxMs: 90_000 }],
    )
  })

  test('returns grants and settings of the roles that are asked for themselves', async () => {
    const { reader, admin } = await empty()
    await admin.edit(adding('grant', aNewGrant({ principal: 'role:reader' })))
    await admin.edit(adding('role', { role: 'role:reader', sessionMaxMs: 90_000, ...ORIGIN }))
    const { grants, roles } = await reader.read(['user:corp:alice', 'role:reader'], soon())
    assert.deepEqual([grants.length, roles], [1, [{ role: 'role:reader', sessionMaxMs: 90_000 }]])
  })

  test('returns a grant of an action on a resource as it was added', async () => {
    const { reader, admin } = await empty()
    const grants = [
      aNewGrant({ id: 'g1', action: 'consumer:use', subject: 'ORDERS/worker' }),
      aNewGrant({ id: 'g2', action: 'kv:read', subject: '{{team}}' }),
      aNewGrant({ id: 'g3', action: 'service:offer', subject: 'orders', response: { max: 3, ttlMs: 1 } }),
    ]
    await admin.edit(adding('grant', ...grants))
    assert.deepEqual(
      (await reader.read(['user:corp:alice'], soon())).grants,
      grants.map(({ reason: _reason, createdBy: _createdBy, ...grant }) => grant),
    )
  })

  test('returns a row once for principals that are asked for twice', async () => {
    const { reader, admin } = await empty()
    await admin.edit(adding('grant', aNewGrant({ principal: 'role:reader' })))
    await admin.edit(adding('binding', { member: 'user:corp:alice', role: 'role:reader', ...ORIGIN }))
    await admin.edit(adding('binding', { member: 'group:corp:ops', role: 'role:reader', ...ORIGIN }))
    const asked = ['user:corp:alice', 'user:corp:alice', 'group:corp:ops', 'role:reader']
    const policy = await reader.read(asked, soon())
    assert.deepEqual([policy.grants.length, policy.bindings.length], [1, 2])
  })

  test('returns no rows for unknown principals, for none, and for one that is not Unicode', async () => {
    const { reader, admin } = await empty()
    await admin.edit(adding('grant', aNewGrant({ principal: 'user:corp:\ufffd' })))
    for (const principals of [['user:corp:nobody'], [], ['user:corp:\ud800']]) {
      const { grants, bindings, locks } = await reader.read(principals, soon())
      assert.deepEqual([grants, bindings, locks], [[], [], []])
    }
  })

  test('reads at a time not before the last change', async () => {
    const { reader, admin } = await empty()
    await admin.edit(adding('grant', aNewGrant()))
    const [stored] = await admin.listGrants({}, 1)
    const { readTimestamp } = await reader.read(['user:corp:alice'], soon())
    assert.match(readTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    assert.ok(readTimestamp >= (stored?.createdAt ?? 'no row'))
  })
}

function editContract(empty: () => Promise<PolicyStoreUnderTest>): void {
  test('lists grants in order of principal and id, filtered and limited', async () => {
    const { admin } = await empty()
    await admin.edit(
      adding(
        'grant',
        aNewGrant({ id: 'b', principal: 'user:corp:bob', account: 'OPS' }),
        aNewGrant({ id: 'd' }),
        aNewGrant({ id: 'c' }),
      ),
    )
    const ids = async (...args: Parameters<PolicyAdmin['listGrants']>): Promise<string[]> =>
      (await admin.listGrants(...args)).map(({ id }) => id)
    assert.deepEqual(await ids({}, 10), ['c', 'd', 'b'])
    assert.deepEqual(await ids({}, 2), ['c', 'd'])
    assert.deepEqual(await ids({ principal: 'user:corp:bob' }, 10), ['b'])
    assert.deepEqual(await ids({ account: 'APP' }, 10), ['c', 'd'])
    assert.deepEqual(await ids({ principal: 'user:corp:bob', account: 'APP' }, 10), [])
  })

  test('finds a grant by its id, as it is listed', async () => {
    const { admin } = await empty()
    await admin.edit(adding('grant', aNewGrant(), aNewGrant({ id: 'g2', principal: 'role:reader' })))
    const [, second] = await admin.listGrants({}, 2)
    assert.deepEqual(await admin.findGrant('g1'), second)
    assert.equal(await admin.findGrant('g3'), undefined)
  })

  test('finds a lock by its id, as it is listed under its target', async () => {
    const { admin } = await empty()
    const lock = { id: 'l1', target: 'user:corp:alice', ...ORIGIN }
    await admin.edit(adding('lock', lock, { ...lock, id: 'l2', target: 'everyone' }))
    const [listed] = await admin.startingWith('lock', ['user:corp:alice'], 10)
    assert.equal(listed?.id, 'l1')
    assert.deepEqual(await admin.findLock('l1'), listed)
    assert.equal(await admin.findLock('l3'), undefined)
  })

  test('returns the rows under the beginning of a key, or under all of it, in order and no more than asked for', async () => {
    const { admin } = await empty()
    const members = ['user:corp:al', 'user:corp:alice', 'user:corp:alice2']
    for (const member of members) {
      for (const role of ['role:b', 'role:a']) await admin.edit(adding('binding', { member, role, ...ORIGIN }))
    }
    const found = async (key: readonly string[], limit = 10): Promise<string[]> =>
      (await admin.startingWith('binding', key, limit)).map(({ member, role }) => `${member} ${role}`)
    assert.deepEqual(await found(['user:corp:alice']), ['user:corp:alice role:a', 'user:corp:alice role:b'])
    assert.deepEqual(await found(['user:corp:alice'], 1), ['user:corp:alice role:a'])
    assert.deepEqual(await found(['user:corp:alice', 'role:b']), ['user:corp:alice role:b'])
    assert.deepEqual(await found(['user:corp:ali']), [])
    assert.deepEqual(await found(['user:corp:\ud800']), [])
  })

  test('returns rows of each kind with every field as they were added', async () => {
    const { admin } = await empty()
    const notes = {
      name: 'team-orders',
      scope: 'orders',
      owner: 'ann',
      ticket: 'OPS-1',
      labels: ['env=prod', 'team=a'],
    }
    const rows: PolicyRow[] = [
      {
        kind: 'grant',
        row: aNewGrant({ action: 'service:offer', subject: 'orders', response: { max: 2, ttlMs: 1500 }, forced: true }),
      },
      { kind: 'role', row: { role: 'role:reader', sessionMaxMs: 60_000, description: 'reads', ...ORIGIN } },
      { kind: 'binding', row: { member: 'user:corp:alice', role: 'role:reader', validFromMs: NOW_MS, ...ORIGIN } },
      { kind: 'lock', row: { id: 'l1', target: 'address', sourceCidr: '10.0.0.0/8', message: 'lost', ...ORIGIN } },
    ]
    for (const { kind, row } of rows) {
      const noted = { ...row, ...notes }
      await admin.edit({ ...AUTHOR, changes: [{ kind, after: noted } as PolicyChange] })
      const [stored] = await admin.scan(kind, 10)
      assert.match(stored?.createdAt ?? '', /^\d{4}-.*Z$/)
      assert.deepEqual(stored, { ...noted, createdAt: stored?.createdAt })
    }
  })

  test('scans the rows of a kind in the order of their keys, a page at a time', async () => {
    const { admin } = await empty()
    const principals = ['user:corp:b', 'user:corp:a', 'role:z', 'user:corp:a']
    await admin.edit(
      adding('grant', ...principals.map((principal, index) => aNewGrant({ id: `g${index}`, principal }))),
    )
    const seen: string[] = []
    let after: readonly string[] | undefined
    for (;;) {
      const page = await admin.scan('grant', 3, after)
      seen.push(...page.map(({ id }) => id))
      const last = page.at(-1)
      if (last === undefined) break
      after = [last.principal, last.id]
    }
    assert.deepEqual(seen, ['g2', 'g1', 'g3', 'g0'])
    assert.deepEqual(await admin.scan('role', 10), [])
  })

  test('removes, replaces and moves rows that are as they were seen', async () => {
    const { reader, admin } = await empty()
    await admin.edit(adding('grant', aNewGrant(), aNewGrant({ id: 'g2' }), aNewGrant({ id: 'g3' })))
    const [first, second, third] = await admin.listGrants({}, 3)
    assert.ok(first && second && third)
    await admin.edit({
      ...AUTHOR,
      changes: [
        { kind: 'grant', before: first },
        { kind: 'grant', before: second, after: aNewGrant({ id: 'g2', subject: 'orders.*' }) },
        { kind: 'grant', before: third, after: aNewGrant({ id: 'g3', principal: 'user:corp:bob' }) },
      ],
    })
    const { grants } = await reader.read(['user:corp:alice', 'user:corp:bob'], soon())
    assert.deepEqual(
      grants.map(({ id, principal, subject }) => [id, principal, subject]),
      [
        ['g2', 'user:corp:alice', 'orders.*'],
        ['g3', 'user:corp:bob', aNewGrant().subject],
      ],
    )
  })

  test('makes none of the changes when a row was changed since it was seen, and says which', async () => {
    const { admin } = await empty()
    await admin.edit(adding('grant', aNewGrant(), aNewGrant({ id: 'g2' })))
    const [first, second] = await admin.listGrants({}, 2)
    assert.ok(first && second)
    const changed = aNewGrant({ id: 'g2', subject: 'orders.*', createdBy: 'carl' })
    await admin.edit({ ...AUTHOR, changes: [{ kind: 'grant', before: second, after: changed }] })
    const stale = admin.edit({
      ...AUTHOR,
      changes: [
        { kind: 'grant', before: first },
        { kind: 'grant', before: second },
      ],
    })
    await assert.rejects(stale, {
      code: 'ERR_STORE_CONFLICT',
      message: 'the grant user:corp:alice g2 was changed by carl meanwhile',
    })
    assert.equal((await admin.listGrants({}, 10)).length, 2)
  })

  test('says so when a row that was seen is gone', async () => {
    const { admin } = await empty()
    await admin.edit(adding('grant', aNewGrant()))
    const [stored] = await admin.listGrants({}, 1)
    assert.ok(stored)
    const removal = removing('grant', AUTHOR, stored)
    await admin.edit(removal)
    await assert.rejects(admin.edit(removal), {
      code: 'ERR_STORE_NOT_FOUND',
      message: 'the grant user:corp:alice g1 is not there any more',
    })
  })

  test('an edit without changes does nothing', async () => {
    const { admin } = await empty()
    await admin.edit({ ...AUTHOR, changes: [] })
    assert.deepEqual(await admin.listGrants({}, 1), [])
  })

  test('adds all grants or none', async () => {
    const { admin } = await empty()
    await admin.edit(adding('grant', aNewGrant()))
    const rest = [aNewGrant({ id: 'g2' }), aNewGrant()]
    await assert.rejects(admin.edit(adding('grant', ...rest)), { code: 'ERR_STORE_CONFLICT' })
    assert.equal((await admin.listGrants({}, 10)).length, 1)
  })

  test('refuses the id of another principal’s grant', async () => {
    const { admin } = await empty()
    await admin.edit(adding('grant', aNewGrant()))
    const same = aNewGrant({ principal: 'user:corp:bob' })
    await assert.rejects(admin.edit(adding('grant', same)), { code: 'ERR_STORE_CONFLICT' })
  })

  test('refuses a second binding of the same role and a second lock with the same id', async () => {
    const { admin } = await empty()
    const binding = { member: 'user:corp:alice', role: 'role:reader', ...ORIGIN }
    await admin.edit(adding('binding', binding))
    await assert.rejects(admin.edit(adding('binding', binding)), { code: 'ERR_STORE_CONFLICT' })
    await admin.edit(adding('lock', { id: 'l1', target: 'user:corp:alice', ...ORIGIN }))
    const lock = { id: 'l1', target: 'user:corp:bob', ...ORIGIN }
    await assert.rejects(admin.edit(adding('lock', lock)), { code: 'ERR_STORE_CONFLICT' })
  })
}

function scopeContract(empty: () => Promise<PolicyStoreUnderTest>): void {
  const rows: PolicyRow[] = [
    { kind: 'grant', row: aNewGrant({ id: 'g1', scope: 'team' }) },
    { kind: 'grant', row: aNewGrant({ id: 'g2', scope: 'team' }) },
    { kind: 'grant', row: aNewGrant({ id: 'g3', scope: 'other' }) },
    { kind: 'role', row: { role: 'role:reader', scope: 'team', ...ORIGIN } },
    { kind: 'binding', row: { member: 'user:corp:alice', role: 'role:reader', scope: 'team', ...ORIGIN } },
    { kind: 'lock', row: { id: 'l1', target: 'everyone', scope: 'team', ...ORIGIN } },
  ]
  const addition = { ...AUTHOR, changes: [{ kind: 'grant', after: aNewGrant({ id: 'new' }) }] } as const
  const filled = async (): Promise<{ admin: PolicyAdmin; states: ScopeStates }> => {
    const { admin } = await empty()
    await admin.edit({ ...AUTHOR, changes: rows.map(({ kind, row }) => ({ kind, after: row }) as PolicyChange) })
    const planner = new Planner([], { scope: 'team', prune: false, adopt: false }, keyDigest)
    for (const row of rows) planner.see(row)
    return { admin, states: planner.finish().plan.states ?? assert.fail() }
  }

  test('looks up rows of every kind by their keys, and leaves out what is not there', async () => {
    const { admin } = await filled()
    const asked: PolicyRow[] = [...rows, { kind: 'grant', row: aNewGrant({ id: 'absent' }) }]
    const found = await admin.lookUp(asked)
    assert.deepEqual(found.map(nameOfRow).sort(), rows.map(nameOfRow).sort())
    assert.deepEqual(await admin.lookUp([]), [])
  })

  test('edits when the scope has the rows that it had', async () => {
    const { admin, states } = await filled()
    await admin.edit({ ...addition, precondition: { scope: 'team', states } })
    assert.ok(await admin.findGrant('new'))
  })

  test('an edit finds a scope without rows to be empty', async () => {
    const { admin } = await filled()
    const none = { rows: 0, keys: '00000000000000' }
    const states = { grant: none, role: none, binding: none, lock: none }
    await admin.edit({ ...addition, precondition: { scope: 'nobody', states } })
    await assert.rejects(admin.edit({ ...addition, precondition: { scope: 'team', states } }), {
      code: 'ERR_STORE_CONFLICT',
    })
  })

  for (const [what, change] of [
    ['a row came', { kind: 'grant', after: aNewGrant({ id: 'g4', scope: 'team' }) }],
    ['a lock came', { kind: 'lock', after: { id: 'l2', target: 'everyone', scope: 'team', ...ORIGIN } }],
  ] as const) {
    test(`makes no change when ${what} to the scope meanwhile`, async () => {
      const { admin, states } = await filled()
      await admin.edit({ ...AUTHOR, changes: [change] })
      const edit = admin.edit({ ...addition, precondition: { scope: 'team', states } })
      await assert.rejects(edit, { code: 'ERR_STORE_CONFLICT', message: /the scope team has other rows/ })
      assert.equal(await admin.findGrant('new'), undefined)
    })
  }

  test('makes no change when another row took the place of one of the scope', async () => {
    const { admin, states } = await filled()
    const [before] = await admin.lookUp(rows.slice(0, 1))
    assert.ok(before?.kind === 'grant')
    const after = aNewGrant({ id: 'g5', scope: 'team' })
    await admin.edit({
      ...AUTHOR,
      changes: [
        { kind: 'grant', before: before.row },
        { kind: 'grant', after },
      ],
    })
    const edit = admin.edit({ ...addition, precondition: { scope: 'team', states } })
    await assert.rejects(edit, { code: 'ERR_STORE_CONFLICT' })
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
    ['CK_Grants_Resource', { action: 'stream:read', subject: 'ORDERS', effect: 'deny' }],
    ['CK_Grants_Resource', { action: 'stream:read', subject: 'ORDERS.*' }],
    ['CK_Grants_Resource', { action: 'stream:read', subject: '*' }],
    ['CK_Grants_Resource', { action: 'kv:write', subject: 'a.b' }],
    ['CK_Grants_Resource', { action: 'consumer:use', subject: 'ORDERS' }],
    ['CK_Grants_Resource', { action: 'consumer:use', subject: '{{team}}' }],
    ['CK_Grants_Response', { action: 'subscribe', response: { max: 0, ttlMs: 1000 } }],
    ['CK_Grants_Response', { action: 'service:offer', subject: 'x', response: { max: 1, ttlMs: 86_400_001 } }],
    ['CK_Grants_Response', { action: 'publish', response: { max: 1, ttlMs: 1000 } }],
    ['CK_Grants_Response', { action: 'subscribe', effect: 'deny', response: { max: 1, ttlMs: 1000 } }],
    // The same reason goes into PolicyEdits, and the database may look at either row first.
    ['CK_(?:Grants|PolicyEdits)_Reason', { reason: ' ' }],
  ] as const
  for (const [constraint, change] of badGrants) {
    test(`refuses a grant with ${JSON.stringify(change)}, which violates ${constraint}, by name, and the others with it`, async () => {
      const { admin } = await empty()
      const grants = [aNewGrant({ id: 'good' }), aNewGrant({ ...change })]
      await assert.rejects(admin.edit(adding('grant', ...grants)), {
        code: 'ERR_STORE_REFUSED',
        message: new RegExp(`${constraint}$`),
      })
      assert.deepEqual(await admin.listGrants({}, 10), [])
    })
  }

  test('refuses a removal without a reason, and keeps the grant', async () => {
    const { admin } = await empty()
    await admin.edit(adding('grant', aNewGrant()))
    const [stored] = await admin.listGrants({}, 1)
    assert.ok(stored)
    const unfounded = removing('grant', { ...AUTHOR, reason: '' }, stored)
    await assert.rejects(admin.edit(unfounded), { code: 'ERR_STORE_REFUSED', message: /CK_PolicyEdits_Reason$/ })
    assert.equal((await admin.listGrants({}, 10)).length, 1)
  })

  test('refuses an edit that its own author approved', async () => {
    const { admin } = await empty()
    const own = { ...adding('grant', aNewGrant()), approvedBy: 'ann' }
    await assert.rejects(admin.edit(own), { code: 'ERR_STORE_REFUSED', message: /CK_PolicyEdits_ApprovedBy$/ })
    assert.deepEqual(await admin.listGrants({}, 1), [])
  })

  test('refuses more changes than fit one commit', async () => {
    const { admin } = await empty()
    const grants = Array.from({ length: CHANGES_PER_EDIT_MAX + 1 }, (_, index) => aNewGrant({ id: `g${index}` }))
    await assert.rejects(admin.edit(adding('grant', ...grants)), { code: 'ERR_STORE_REFUSED' })
    assert.deepEqual(await admin.listGrants({}, 1), [])
  })

  test('refuses roles that nest', async () => {
    const { admin } = await empty()
    const nested = { member: 'role:a', role: 'role:b', ...ORIGIN }
    await assert.rejects(admin.edit(adding('binding', nested)), {
      code: 'ERR_STORE_REFUSED',
      message: /CK_RoleBindings_Member/,
    })
  })
}
