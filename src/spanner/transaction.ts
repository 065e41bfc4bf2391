import type { protos } from '@google-cloud/spanner-api'
import type { DeadlineMs } from '../service/ports.ts'
import type { SpannerChannel } from './channel.ts'
import type { Mutation } from './mutation.ts'
import { queryRequest, readRequest, rowsOf } from './query.ts'
import type { KeyedRead, Parameters } from './query.ts'
import type { Session } from './session.ts'
import type { Row } from './values.ts'

type PrecommitToken = protos.google.spanner.v1.IMultiplexedSessionPrecommitToken

/** A commit on a multiplexed session may ask to be sent again with a newer token; more often than this it never ends. */
const TOKEN_ROUNDS_MAX = 10

/**
 * One attempt at a read-write transaction. On a multiplexed session the commit carries the newest precommit token that any
 * answer brought: spanner.proto, `MultiplexedSessionPrecommitToken`.
 */
export class Transaction {
  readonly #channel: SpannerChannel
  readonly #session: Session
  readonly #deadlineMs: DeadlineMs
  readonly #mutations: Mutation[] = []
  /** Numbers the statements, so that the server can tell a repeated one from the next. */
  #statements = 0
  #id: Uint8Array | string | undefined
  #token: PrecommitToken | undefined

  constructor(channel: SpannerChannel, session: Session, deadlineMs: DeadlineMs) {
    this.#channel = channel
    this.#session = session
    this.#deadlineMs = deadlineMs
  }

  /** A query under the locks of this transaction, or a DML statement. */
  async query(sql: string, parameters: Parameters): Promise<readonly Row[]> {
    const id = await this.#begin()
    const request = {
      ...queryRequest(sql, parameters),
      session: this.#session.name,
      transaction: { id },
      seqno: ++this.#statements,
    }
    const result = (await this.#call('executeSql', request)) as protos.google.spanner.v1.IResultSet
    this.#keep(result.precommitToken)
    return rowsOf(result)
  }

  /** Rows in key order, under the locks of this transaction. */
  async read(read: KeyedRead): Promise<readonly Row[]> {
    const id = await this.#begin()
    const request = { ...readRequest(read), session: this.#session.name, transaction: { id } }
    const result = (await this.#call('read', request)) as protos.google.spanner.v1.IResultSet
    this.#keep(result.precommitToken)
    return rowsOf(result)
  }

  /** Applied at the commit, in this order. */
  buffer(...mutations: readonly Mutation[]): void {
    this.#mutations.push(...mutations)
  }

  async commit(): Promise<void> {
    const transactionId = await this.#begin()
    for (let round = 0; round < TOKEN_ROUNDS_MAX; round++) {
      const request: protos.google.spanner.v1.ICommitRequest = {
        session: this.#session.name,
        transactionId,
        mutations: this.#mutations,
        ...(this.#token !== undefined && { precommitToken: this.#token }),
      }
      const response = (await this.#call('commit', request)) as protos.google.spanner.v1.ICommitResponse
      if (response.precommitToken === undefined || response.precommitToken === null) return
      this.#keep(response.precommitToken)
    }
    throw new Error('the commit asked for ever newer precommit tokens')
  }

  async rollback(): Promise<void> {
    if (this.#id === undefined) return
    await this.#call('rollback', { session: this.#session.name, transactionId: this.#id })
  }

  async #begin(): Promise<Uint8Array | string> {
    if (this.#id !== undefined) return this.#id
    const [mutationKey] = this.#mutations
    const request: protos.google.spanner.v1.IBeginTransactionRequest = {
      session: this.#session.name,
      options: { readWrite: {} },
      ...(this.#session.multiplexed && mutationKey !== undefined && { mutationKey }),
    }
    const begun = (await this.#call('beginTransaction', request)) as protos.google.spanner.v1.ITransaction
    this.#keep(begun.precommitToken)
    this.#id = begun.id as Uint8Array | string
    return this.#id
  }

  #keep(token: PrecommitToken | null | undefined): void {
    if (token === null || token === undefined) return
    if (this.#token === undefined || (token.seqNum ?? 0) >= (this.#token.seqNum ?? 0)) this.#token = token
  }

  #call(method: string, request: object): Promise<unknown> {
    return this.#channel.call(method, request, this.#session.leaderMetadata, this.#deadlineMs)
  }
}
