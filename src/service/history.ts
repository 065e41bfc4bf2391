import type { PolicyChange } from '../core/exported-change.ts'
import type { PolicyKind } from '../core/policy-row.ts'
import type { EditSource } from './ports.ts'

/** A row of policy as a change of it was recorded: its columns by name. What they mean is for the adapter of the store to say. */
export type StoredRow = Readonly<Record<string, unknown>>

/** What made a change: an edit by a command, or a statement that left no edit. */
export type ChangeSource = EditSource | 'sql'

/** The row of `PolicyEdits` that a command wrote together with its changes. */
export interface RecordedEdit {
  readonly id: string
  readonly source: string
  readonly actor: string
  readonly approvedBy?: string
  readonly reason: string
}

/** One row of policy that came (`after` alone), went (`before` alone) or is another now. */
export interface RowChange {
  readonly kind: PolicyKind
  /** Parts of the primary key, in its order. */
  readonly key: readonly string[]
  readonly before?: StoredRow
  readonly after?: StoredRow
  /** Where the change stands within its transaction; the same whenever it is read. */
  readonly recordSequence: string
  readonly modIndex: number
}

/**
 * The changes of policy that one transaction made. A transaction of thousands of rows comes in several parts, each of which
 * looks like one; no command makes such a one.
 */
export interface PolicyTransaction {
  readonly id: string
  /** RFC 3339 commit timestamp, with all the digits of the store. */
  readonly committedAt: string
  /** Absent when the rows were changed without a command. */
  readonly edit?: RecordedEdit
  readonly changes: readonly RowChange[]
}

/** A step of the feed: what is new, and how far everything is known. */
export interface FeedStep {
  readonly transactions: readonly PolicyTransaction[]
  /** All transactions committed until then have been handed out with this step and those before it. */
  readonly completeUntil: string
}

/**
 * Every change of policy, whoever makes it, soon after its commit. Whole transactions, mostly in the order of their commits; each at
 * least once: whoever follows again from an earlier `completeUntil` gets some of them again.
 */
export interface PolicyFeed {
  /**
   * Everything committed after `completeUntil`, for ever; ends when the signal says so. Takes the next step only when asked for it, and
   * buffers no more than a bounded number of rows meanwhile. Throws `ChangesExpired` when the store has not kept them
   * since then, and `CalloutError`s of the store; then follow again from the last step that was dealt with.
   */
  follow(completeUntil: string, signal: AbortSignal): AsyncIterable<FeedStep>
  /** From when on changes can be read, after `ChangesExpired`. */
  earliest(signal: AbortSignal): Promise<string>
}

/** The changes since the time that was asked for are not all there any more. */
export class ChangesExpired extends Error {
  override readonly name = 'ChangesExpired'
}

/** How far the history reaches. */
export interface HistoryReach {
  /** Every change committed until then is in the history. RFC 3339. */
  readonly recordedUntil: string
  /** How long ago that was, by the clock of the store. */
  readonly lagMs: number
}

export type Lease = HistoryReach & { readonly heldBy?: string }

/** The history, as the process sees it that writes it. Throws the `CalloutError`s of every store. */
export interface HistoryLog {
  /**
   * Takes the lease or holds it longer, or says who holds it. It keeps members from doing the same work, mostly: two that write
   * at once do no harm.
   */
  takeLease(): Promise<Lease>
  /** Adds the changes, and says how far the history reaches then. Recording a step again changes nothing. */
  record(step: FeedStep): Promise<void>
  /** Records that the changes between the two timestamps are not known, and that the history goes on from the second. */
  recordGap(from: string, until: string): Promise<void>
  /** So that another need not wait until it runs out. */
  releaseLease(): Promise<void>
}

/** One change in the history. */
export interface HistoryEntry extends PolicyChange {
  readonly before?: StoredRow
  readonly after?: StoredRow
}

export interface HistoryFilter {
  readonly principal?: string
  readonly grantId?: string
  /** Of the role itself, its grants and its bindings. */
  readonly role?: string
  readonly sinceMs?: number
  readonly untilMs?: number
}

/** Reads the history. Throws the `CalloutError`s of every store. */
export interface HistoryReader {
  /** Newest first, gaps included; at most `limit`. */
  list(filter: HistoryFilter, limit: number): Promise<readonly HistoryEntry[]>
  /** Everything that one edit of a command changed, or one transaction, in its order. */
  changesOf(what: { readonly editId: string } | { readonly transactionId: string }): Promise<readonly HistoryEntry[]>
  /** The newest entry of each row, in the order of the rows; undefined for one that has none. */
  newest(
    rows: readonly { readonly kind: PolicyKind; readonly key: readonly string[] }[],
  ): Promise<readonly (HistoryEntry | undefined)[]>
  reach(): Promise<HistoryReach>
}

/** Where an entry stands in the order of the history: by the time of its commit, then always in the same order. */
export type HistoryPosition = readonly string[]

/** An entry with what tells it apart from every other. */
export type PlacedEntry = HistoryEntry & { readonly id: string }

export interface HistoryPage {
  readonly entries: readonly PlacedEntry[]
  /** Of the last entry. */
  readonly end?: HistoryPosition
}

/** Reads the history from its beginning on. Throws the `CalloutError`s of every store. */
export interface HistoryPages {
  /** Oldest first, gaps included, committed not later than `committedUntil`; at most `limit`, fewer only when there are no more. */
  page(
    filter: Omit<HistoryFilter, 'role'>,
    committedUntil: string,
    after: HistoryPosition | undefined,
    limit: number,
  ): Promise<HistoryPage>
  reach(): Promise<HistoryReach>
}
