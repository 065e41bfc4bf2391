import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { withApproval } from '../../../src/service/approval.ts'
import { adding, removing } from '../../../src/service/policy-edit.ts'
import { aNewGrant } from '../../contract/stored-rows.ts'
import { MemoryPolicyStore } from '../../support/memory-store.ts'

const ORIGIN = { reason: 'x', createdBy: 'ann' }
const REFUSED = { code: 'ERR_APPROVAL_NEEDED' }

suite('under the rule of two persons', () => {
  test('an edit of one person is refused, and nothing changes', async () => {
    const store = new MemoryPolicyStore()
    const admin = withApproval(store, 'two_persons')
    await assert.rejects(admin.edit(adding('grant', aNewGrant())), REFUSED)
    await assert.rejects(admin.edit(adding('binding', { member: 'user:corp:a', role: 'role:r', ...ORIGIN })), REFUSED)
    assert.deepEqual(store.edits, [])
  })

  test('a lock is added by one person, and removed by no one alone', async () => {
    const admin = withApproval(new MemoryPolicyStore(), 'two_persons')
    await admin.edit(adding('lock', { id: 'l1', target: 'everyone', ...ORIGIN }))
    const lock = await admin.findLock('l1')
    assert.ok(lock)
    await assert.rejects(admin.edit(removing('lock', { actor: 'ann', reason: 'x' }, lock)), REFUSED)
  })

  test('a lock does not carry a grant along', async () => {
    const admin = withApproval(new MemoryPolicyStore(), 'two_persons')
    const lock = { kind: 'lock', after: { id: 'l1', target: 'everyone', ...ORIGIN } } as const
    const grant = { kind: 'grant', after: aNewGrant() } as const
    const edit = { changes: [lock, grant], source: 'command', actor: 'ann', reason: 'x' } as const
    await assert.rejects(admin.edit(edit), REFUSED)
  })

  test('an edit that somebody else approved is made', async () => {
    const store = new MemoryPolicyStore()
    await withApproval(store, 'two_persons').edit({ ...adding('grant', aNewGrant()), approvedBy: 'bob' })
    assert.equal(store.edits.length, 1)
  })
})
