import type { ChangedRow, ChangeRecord } from './change-record.ts'
import type { Nanoseconds } from './nanoseconds.ts'
import { parseNanoseconds } from './nanoseconds.ts'

/** The rows of a change stream that one transaction wrote. */
export interface ChangedTransaction {
  readonly id: string
  readonly committedAt: string
  readonly rows: readonly ChangedRow[]
}

type DataRecord = Extract<ChangeRecord, { kind: 'data' }>

interface Pending {
  readonly id: string
  readonly committedAt: string
  readonly time: Nanoseconds
  records: number
  rows: ChangedRow[]
}

/**
 * Gathers the records of transactions, which lie in several partitions that are read at different paces. A transaction is whole when
 * all of its records have come, or when all partitions have been read past its commit.
 */
export class ChangeBuffer {
  readonly #rowsPerTransactionMax: number
  readonly #open = new Map<string, Pending>()
  #whole: Pending[] = []
  #rows = 0

  /** A transaction of more rows is handed out in parts, so that memory is bounded. */
  constructor(rowsPerTransactionMax: number) {
    this.#rowsPerTransactionMax = rowsPerTransactionMax
  }

  get rows(): number {
    return this.#rows
  }

  /** Whether `take` would return something. */
  get hasWhole(): boolean {
    return this.#whole.length > 0
  }

  add({ transactionId: id, committedAt, recordsOfTransaction, rows }: DataRecord): void {
    const known = this.#open.get(id)
    const pending = known ?? { id, committedAt, time: parseNanoseconds(committedAt), records: 0, rows: [] }
    pending.records += 1
    pending.rows.push(...rows)
    this.#rows += rows.length
    const isWhole = pending.records >= recordsOfTransaction
    if (isWhole) this.#open.delete(id)
    else this.#open.set(id, pending)
    if (isWhole) this.#whole.push(pending)
    else if (pending.rows.length > this.#rowsPerTransactionMax) {
      this.#whole.push({ ...pending })
      pending.rows = []
    }
  }

  /** All partitions have been read until then. */
  passed(time: Nanoseconds): void {
    for (const [id, pending] of this.#open) {
      if (pending.time > time) continue
      this.#open.delete(id)
      if (pending.rows.length > 0) this.#whole.push(pending)
    }
  }

  /** Whole transactions in the order of their commits: one, and further ones up to so many rows. */
  take(rowsMax: number): ChangedTransaction[] {
    this.#whole.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
    let rows = 0
    let taken = 0
    for (const pending of this.#whole) {
      rows += pending.rows.length
      if (taken > 0 && rows > rowsMax) break
      taken += 1
    }
    const transactions = this.#whole.slice(0, taken)
    this.#whole = this.#whole.slice(taken)
    for (const { rows: handedOut } of transactions) this.#rows -= handedOut.length
    return transactions
  }

  /** The commit of the earliest transaction that has not been handed out completely. */
  get earliest(): Nanoseconds | undefined {
    let earliest: Nanoseconds | undefined
    for (const { time } of [...this.#whole, ...this.#open.values()]) {
      if (earliest === undefined || time < earliest) earliest = time
    }
    return earliest
  }
}
