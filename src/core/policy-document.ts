import type { ConnectionCondition } from './connection-condition.ts'
import type { Effect, GrantAction, ResponsePermission, ValidityWindow } from './grant.ts'

/** What people keep under review instead of rows: a document stands for one row or for many that belong together. */
export type PolicyDocument = GrantDocument | RoleDocument | RoleBindingDocument | LockDocument

export interface DocumentMetadata {
  /** Unique among the documents of its kind and scope. */
  readonly name?: string
  /** The id of the one row that a grant or lock document describes, in place of an id that its content makes. */
  readonly id?: string
  readonly scope?: string
  readonly owner?: string
  readonly ticket?: string
  /** `key=value`, sorted. */
  readonly labels?: readonly string[]
}

export interface GrantDocument extends ValidityWindow {
  readonly kind: 'Grant'
  readonly metadata: DocumentMetadata
  readonly principals: readonly string[]
  readonly account: string
  readonly condition?: ConnectionCondition
  /** Somebody confirmed that it may be as wide as it is. */
  readonly force?: true
  readonly entries: readonly GrantEntry[]
}

/** What each principal of a grant document may or may not do. */
export interface GrantEntry {
  /** Where it stands in the document: `spec.publish.allow[0]`. */
  readonly path: string
  readonly effect: Effect
  readonly action: GrantAction
  readonly subject: string
  readonly queue?: string
  readonly response?: ResponsePermission
}

export interface RoleDocument {
  readonly kind: 'Role'
  readonly metadata: DocumentMetadata
  readonly role: string
  readonly description?: string
  readonly sessionMaxMs?: number
}

export interface RoleBindingDocument extends ValidityWindow {
  readonly kind: 'RoleBinding'
  readonly metadata: DocumentMetadata
  readonly role: string
  readonly members: readonly string[]
}

export interface LockDocument {
  readonly kind: 'Lock'
  readonly metadata: DocumentMetadata
  /** As in the column, but `address:<block>` for addresses. */
  readonly targets: readonly string[]
  readonly message?: string
  readonly expiresAtMs?: number
}

/** What is wrong in a document, at a path in it. */
export interface DocumentProblem {
  readonly path: string
  readonly message: string
}
