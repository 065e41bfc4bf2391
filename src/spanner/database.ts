import type { protos } from '@google-cloud/spanner-api'
import type { CalloutEvents } from '../service/events.ts'
import type { Clock, DeadlineMs } from '../service/ports.ts'
import { SpannerChannel } from './channel.ts'
import type { StreamBounds } from './channel.ts'
import type { SpannerEndpoint } from './endpoint.ts'
import type { Mutation } from './mutation.ts'
import { createOutageReport } from './outage.ts'
import type { OutageReport } from './outage.ts'
import { createBackoff } from './retry.ts'
import type { Backoff } from './retry.ts'
import { Sessions } from './session.ts'
import type { Session } from './session.ts'
import { DeadlinePassed, isAborted, isSessionLost, isTransient, storeError } from './status.ts'
import { Transaction } from './transaction.ts'
import { PartialRows } from './partial-rows.ts'
import type { StructType } from './partial-rows.ts'
import type { PlanNode } from './query-plan.ts'
import { queryRequest, readRequest, rowsOf } from './query.ts'
import type { KeyedRead, Parameters } from './query.ts'
import { createTurns } from './turns.ts'
import type { Turns } from './turns.ts'
import type { Row, ServerTimestamp } from './values.ts'

/** Releasing the session is a courtesy; a server that is down must not hold up the end of the process. */
const CLOSE_TIMEOUT_MS = 500

export interface SpannerDatabaseOptions extends SpannerEndpoint {
  /** `projects/P/instances/I/databases/D` */
  readonly database: string
  /** Database role whose privileges hold; absent: those of the account itself. The emulator ignores it. */
  readonly role?: string
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'storeFault' | 'storeRecovered'>
}

/** `strong`: everything committed before the call. Otherwise exactly at the timestamp of an earlier read. */
export type TimestampBound = 'strong' | ServerTimestamp

export interface ReadResult {
  readonly rows: readonly Row[]
  readonly readTimestamp: ServerTimestamp
}

/** How a commit may be tried again when it is not known whether it was applied. */
export interface CommitOptions {
  /** Applying the mutations twice is the same as once, or the caller understands ALREADY_EXISTS. */
  readonly repeatable: boolean
}

/**
 * One Spanner database over the generated client. Each operation settles by its deadline, survives lost sessions and
 * connections, works with and without multiplexed sessions, and throws nothing but `CalloutError`: `ERR_STORE_UNAVAILABLE`
 * when the outcome is not known, `ERR_STORE_REFUSED`, `ERR_STORE_CONFLICT` and `ERR_STORE_NOT_FOUND` as answers.
 */
export class SpannerDatabase implements AsyncDisposable {
  readonly name: string
  /** It lacks some of what Spanner has. */
  readonly isEmulated: boolean
  readonly #role: string | undefined
  readonly #clock: Clock
  readonly #channel: SpannerChannel
  readonly #sessions: Sessions
  readonly #backoff: Backoff
  readonly #outage: OutageReport
  /**
   * Under the emulator only: it takes one transaction at a time, and of two that meet it aborts one, every fifth time the one that
   * was nearly done. Two commits of 32 rows in flight get 40 % less done there than one after the other.
   */
  readonly #turns: Turns | undefined

  constructor(options: SpannerDatabaseOptions) {
    const { database, role, clock, events } = options
    this.name = database
    this.isEmulated = options.emulatorHost !== undefined
    this.#role = role
    this.#clock = clock
    this.#channel = new SpannerChannel(options)
    this.#sessions = new Sessions({ channel: this.#channel, database, ...(role !== undefined && { role }), clock })
    this.#backoff = createBackoff(clock, clock.monotonicMs())
    this.#outage = createOutageReport(clock, events)
    this.#turns = this.isEmulated ? createTurns(clock) : undefined
  }

  /** Reads rows in key order. One RPC. */
  async read(read: KeyedRead, bound: TimestampBound, deadlineMs: DeadlineMs): Promise<ReadResult> {
    const readOnly =
      bound === 'strong'
        ? { strong: true, returnReadTimestamp: true }
        : { readTimestamp: bound, returnReadTimestamp: true }
    const request = { ...readRequest(read), transaction: { singleUse: { readOnly } } }
    const response = await this.#run('read', deadlineMs, isTransient, (session) =>
      this.#channel.call('read', { ...request, session: session.name }, session.metadata, deadlineMs),
    )
    const result = response as protos.google.spanner.v1.IResultSet
    return { rows: rowsOf(result), readTimestamp: result.metadata?.transaction?.readTimestamp ?? {} }
  }

  /** Applies mutations, all or none, without reading first: one RPC, again after ABORTED until the deadline. */
  async commit(mutations: readonly Mutation[], options: CommitOptions, deadlineMs: DeadlineMs): Promise<void> {
    const request = {
      mutations: mutations as Mutation[],
      singleUseTransaction: { readWrite: {} },
    } satisfies protos.google.spanner.v1.ICommitRequest
    const retryable = (error: unknown): boolean => isAborted(error) || (options.repeatable && isTransient(error))
    await this.#run('commit', deadlineMs, retryable, async (session) => {
      const endTurn = await this.#turns?.take(deadlineMs)
      try {
        await this.#channel.call('commit', { ...request, session: session.name }, session.leaderMetadata, deadlineMs)
      } finally {
        endTurn?.()
      }
    })
  }

  /** A strong single-use query. One RPC; for commands of admins, not for the way of a request. */
  async query(sql: string, parameters: Parameters, deadlineMs: DeadlineMs): Promise<readonly Row[]> {
    const request = {
      ...queryRequest(sql, parameters),
      transaction: { singleUse: { readOnly: { strong: true } } },
    } satisfies protos.google.spanner.v1.IExecuteSqlRequest
    const response = await this.#run('query', deadlineMs, isTransient, (session) =>
      this.#channel.call('executeSql', { ...request, session: session.name }, session.metadata, deadlineMs),
    )
    return rowsOf(response as protos.google.spanner.v1.IResultSet)
  }

  /** How Spanner would run a query, without running it. One RPC. */
  async plan(sql: string, parameters: Parameters, deadlineMs: DeadlineMs): Promise<readonly PlanNode[]> {
    const request = {
      ...queryRequest(sql, parameters),
      queryMode: 'PLAN',
    } satisfies protos.google.spanner.v1.IExecuteSqlRequest
    const response = await this.#run('plan', deadlineMs, isTransient, (session) =>
      this.#channel.call('executeSql', { ...request, session: session.name }, session.metadata, deadlineMs),
    )
    return (response as protos.google.spanner.v1.IResultSet).stats?.queryPlan?.planNodes ?? []
  }

  /**
   * A strong single-use query whose rows come as they are made, such as that of a change stream. Nothing is tried again: what came
   * before a failure has been handed out. Ends without an error when the signal says so; failures are those of every operation.
   */
  async *stream(
    sql: string,
    parameters: Parameters,
    bounds: StreamBounds,
  ): AsyncGenerator<{ readonly row: Row; readonly rowType: StructType }, void, void> {
    const request = {
      ...queryRequest(sql, parameters),
      transaction: { singleUse: { readOnly: { strong: true } } },
    } satisfies protos.google.spanner.v1.IExecuteSqlRequest
    const rows = new PartialRows()
    let session: Session | undefined
    try {
      session = await this.#sessions.acquire(this.#clock.monotonicMs() + bounds.silenceMaxMs)
      const call = { ...request, session: session.name }
      for await (const part of this.#channel.stream('executeStreamingSql', call, session.metadata, bounds)) {
        this.#outage.succeeded('stream')
        for (const row of rows.take(part as protos.google.spanner.v1.IPartialResultSet)) {
          yield { row, rowType: rows.rowType }
        }
      }
    } catch (error) {
      if (bounds.signal.aborted) return
      if (session !== undefined && isSessionLost(error)) this.#sessions.discard(session)
      const failure = storeError(error, 'stream', this.#role)
      if (failure === undefined) throw error
      this.#outage.failed('stream', failure)
      throw failure
    }
  }

  /**
   * Runs `work` in a read-write transaction and commits what it buffered. After ABORTED the whole of `work` runs again, so it
   * must have no effect of its own. What `work` throws rolls the transaction back and is passed on.
   */
  async transact<T>(work: (transaction: Transaction) => Promise<T>, deadlineMs: DeadlineMs): Promise<T> {
    return this.#run('transaction', deadlineMs, isAborted, async (shared) => {
      const session = shared.multiplexed ? shared : await this.#sessions.createPlain(deadlineMs)
      const transaction = new Transaction(this.#channel, session, deadlineMs)
      try {
        const result = await work(transaction)
        await transaction.commit()
        return result
      } catch (error) {
        await transaction.rollback().catch(() => {})
        throw error
      } finally {
        // Not waited for: the answer is known, and a session that stays behind ends after an hour of idleness.
        if (session !== shared) this.#sessions.delete(session, deadlineMs).catch(() => {})
      }
    })
  }

  /** Ends the connection. Operations in flight fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sessions.close(this.#clock.monotonicMs() + CLOSE_TIMEOUT_MS).catch(() => {})
    await this.#channel[Symbol.asyncDispose]()
  }

  async #run<T>(
    operation: string,
    deadlineMs: DeadlineMs,
    retryable: (error: unknown) => boolean,
    attempt: (session: Session) => Promise<T>,
  ): Promise<T> {
    try {
      const result = await this.#attempts(deadlineMs, retryable, attempt)
      this.#outage.succeeded(operation)
      return result
    } catch (error) {
      const failure = storeError(error, operation, this.#role)
      if (failure === undefined) throw error
      this.#outage.failed(operation, failure)
      throw failure
    }
  }

  async #attempts<T>(
    deadlineMs: DeadlineMs,
    retryable: (error: unknown) => boolean,
    attempt: (session: Session) => Promise<T>,
  ): Promise<T> {
    for (let retries = 1; ; retries++) {
      let session: Session | undefined
      try {
        session = await this.#sessions.acquire(deadlineMs)
        return await attempt(session)
      } catch (error) {
        if (session !== undefined && isSessionLost(error)) this.#sessions.discard(session)
        else if (session === undefined ? !isSessionPending(error) : !retryable(error)) throw error
        if (!(await this.#backoff.wait(retries, deadlineMs))) throw error
      }
    }
  }
}

/** Making a session changes nothing, so it may be tried again after anything that may pass. */
function isSessionPending(error: unknown): boolean {
  return isTransient(error) || isAborted(error) || error instanceof DeadlinePassed
}
