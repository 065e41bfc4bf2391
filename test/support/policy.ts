import assert from 'node:assert/strict'
import { removing } from '../../src/service/policy-edit.ts'
import type { PolicyAdmin } from '../../src/service/ports.ts'

/** Removes a grant as it is now. */
export async function removeGrant(admin: PolicyAdmin, id: string, actor = 'bob', reason = 'a test'): Promise<void> {
  const grant = await admin.findGrant(id)
  assert.ok(grant, `no grant ${id}`)
  await admin.edit(removing('grant', { actor, reason }, grant))
}
