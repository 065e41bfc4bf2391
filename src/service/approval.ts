import { CalloutError } from '../core/errors.ts'
import type { PolicyAdmin, PolicyEdit } from './ports.ts'

/**
 * The rule of two persons: what one changes, another has to approve. Locks may be added by one alone: they only take away, and
 * whoever adds one is in a hurry. The rule holds for whoever edits through this; the database does not know it.
 */
export function withApproval(admin: PolicyAdmin, approval: 'none' | 'two_persons'): PolicyAdmin {
  if (approval === 'none') return admin
  return {
    async edit(edit) {
      requireApproval(edit)
      await admin.edit(edit)
    },
    listGrants: (filter, limit) => admin.listGrants(filter, limit),
    scan: (kind, limit, after) => admin.scan(kind, limit, after),
    startingWith: (kind, key, limit) => admin.startingWith(kind, key, limit),
    lookUp: (rows) => admin.lookUp(rows),
    findGrant: (id) => admin.findGrant(id),
    findLock: (id) => admin.findLock(id),
  }
}

function requireApproval({ changes, approvedBy }: PolicyEdit): void {
  if (approvedBy !== undefined) return
  if (changes.every(({ kind, before }) => kind === 'lock' && before === undefined)) return
  throw new CalloutError('ERR_APPROVAL_NEEDED', APPROVAL_NEEDED)
}

export const APPROVAL_NEEDED =
  'somebody else has to approve this (grants.approval: two_persons): make a plan with "callout grants plan --out", ' +
  'propose it with "callout grants propose", and let another person run "callout grants approve"'
