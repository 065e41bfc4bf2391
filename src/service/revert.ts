import type { PolicyChange, PolicyKind, PolicyRow } from '../core/policy-row.ts'
import type { HistoryEntry, StoredRow } from './history.ts'
import type { Author } from './policy-edit.ts'

/** What is needed of the store to take an edit back. */
export interface RevertStore {
  /** A recorded row as admins edit it; throws for one that this release cannot read. */
  decode(kind: PolicyKind, row: StoredRow): PolicyRow
  /** The row as it is now, by its key; undefined when it is not there. */
  find(kind: PolicyKind, key: readonly string[]): Promise<PolicyRow | undefined>
  /** Whether a row is still as it was recorded. */
  isSame(recorded: PolicyRow, now: PolicyRow): boolean
}

export interface Revert {
  readonly changes: readonly PolicyChange[]
  /** Rows that are no longer as the edit left them, for people. Nothing is reverted then. */
  readonly moved: readonly string[]
}

/**
 * The changes that make the rows of an edit what they were before it, in the name of the author; `before` of each is the row as it is
 * now, so that an edit meanwhile is noticed.
 */
export async function revertOf(entries: readonly HistoryEntry[], author: Author, store: RevertStore): Promise<Revert> {
  const changes: PolicyChange[] = []
  const moved: string[] = []
  for (const { kind, key, before, after } of netChanges(entries)) {
    const left = after === undefined ? undefined : store.decode(kind, after)
    const now = await store.find(kind, key)
    if (left === undefined || now === undefined ? left !== now : !store.isSame(left, now)) {
      moved.push(`the ${kind} ${key.join(' ')} ${movedHow(now)}`)
      continue
    }
    const restored = before === undefined ? undefined : renamed(store.decode(kind, before), author)
    if (now === undefined && restored === undefined) continue
    changes.push({
      kind,
      ...(now !== undefined && { before: now.row }),
      ...(restored !== undefined && { after: restored.row }),
    } as PolicyChange)
  }
  return { changes, moved }
}

interface NetChange {
  readonly kind: PolicyKind
  readonly key: readonly string[]
  readonly before: StoredRow | undefined
  readonly after: StoredRow | undefined
}

/** Statements of one transaction may have changed a row more than once. */
function netChanges(entries: readonly HistoryEntry[]): NetChange[] {
  const net = new Map<string, NetChange>()
  for (const { kind, key, before, after } of entries) {
    if (kind === undefined) continue
    const name = JSON.stringify([kind, key])
    const earlier = net.get(name)
    net.set(name, { kind, key, before: earlier === undefined ? before : earlier.before, after })
  }
  return [...net.values()]
}

function movedHow(now: PolicyRow | undefined): string {
  return now === undefined ? 'is not there any more' : `was changed by ${now.row.createdBy} since`
}

/** Whoever wrote a row as it is now is who reverted it. */
function renamed({ kind, row }: PolicyRow, { actor, reason }: Author): PolicyRow {
  const { createdAt: _createdAt, ...rest } = row
  return { kind, row: { ...rest, createdBy: actor, reason } } as PolicyRow
}
