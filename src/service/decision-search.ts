/** What is looked for: all of it has to hold. Texts are compared as a whole, as they are stored. */
export interface DecisionFilter {
  /** Included. */
  readonly sinceMs?: number
  /** Not included. */
  readonly untilMs?: number
  readonly principal?: string
  /** The id of an issuer in the configuration, or the `iss` of the token. */
  readonly issuer?: string
  readonly outcome?: 'allow' | 'deny'
  /** Of a denial. */
  readonly reason?: string
  readonly account?: string
  /** The `sub` of the token, accepted or not. */
  readonly subject?: string
  /** A grant that the decision applied. */
  readonly grantId?: string
  /** Where the client came from. */
  readonly address?: string
  readonly serverName?: string
  /** The `jti` of the token. */
  readonly tokenId?: string
  /** Rows that became readable later than this `DecisionSearch.readableUntil`. */
  readonly committedAfter?: string
  /** And not later than this one. */
  readonly committedUntil?: string
  /** Rows that became readable not later than so long after their decision. */
  readonly committedWithinMs?: number
  /** Rows that became readable later than so long after their decision. */
  readonly committedLaterThanMs?: number
  /** Whether a service had kept the row on its disk before. With `committedAfter` the rows that were are found by the time they came at. */
  readonly spooled?: boolean
}

/** A decision as it is stored: its columns by name, without those that are NULL. */
export type DecisionRecord = Readonly<Record<string, unknown>>

/**
 * Rows by the time of their decision; of one time always in the same order. The keys are in the order of `newest first`, where a page
 * costs what it holds; for `oldest first` the store may look through all of the time that is asked for with each page.
 */
export const SEARCH_ORDERS = ['newest first', 'oldest first'] as const
export type SearchOrder = (typeof SEARCH_ORDERS)[number]

/** The place of a decision in both orders; stays what it is whatever is written later. */
export interface DecisionPosition {
  /** RFC 3339, with nine digits of a second. */
  readonly decidedAt: string
  /** The range of keys that the row is in. */
  readonly shard: number
  readonly id: string
}

export interface DecisionQuery {
  readonly filter: DecisionFilter
  /** The rows that fit this one as well; no row fits both. */
  readonly also?: DecisionFilter
  readonly order: SearchOrder
  /** Only what comes behind it in the order. */
  readonly after?: DecisionPosition
  /** At most so many records; each has some kilobytes. */
  readonly limit: number
}

export interface DecisionPage {
  readonly records: readonly DecisionRecord[]
  /** Of the last record: where the next page begins. */
  readonly end?: DecisionPosition
  /** False when there was nothing behind the last record. */
  readonly hasMore: boolean
}

/**
 * Reads decisions. Every row that was there when a walk over pages began is in exactly one of them, whatever is written
 * meanwhile. Throws the `CalloutError`s of every store.
 */
export interface DecisionSearch {
  page(query: DecisionQuery): Promise<DecisionPage>
  /** Undefined when no decision has the id. */
  find(id: string): Promise<DecisionRecord | undefined>
  /** A time of the store's clock: whatever was committed until then, all later reads find. RFC 3339 with nine digits. */
  readableUntil(): Promise<string>
}

export interface DecisionCount {
  readonly outcome: string
  readonly reason?: string
  readonly account?: string
  /** The id of the issuer in the configuration. */
  readonly issuer?: string
  readonly rows: number
  /** Denials that are told by a row of another one like them. */
  readonly repeats: number
}

/** How many decisions of each kind there were. */
export interface DecisionCounts {
  /** The most frequent first. */
  readonly counts: readonly DecisionCount[]
  /** Set when it was too much to count: only decisions since then are all counted, of those before only a part. */
  readonly completeSince?: string
}

/** Counts decisions. Throws the `CalloutError`s of every store. */
export interface DecisionStatistics {
  /** Looks at no more than `rowsMax` rows, the newest. */
  count(filter: Pick<DecisionFilter, 'sinceMs' | 'untilMs'>, rowsMax: number): Promise<DecisionCounts>
}
