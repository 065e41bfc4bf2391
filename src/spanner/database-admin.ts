import { v1 } from '@google-cloud/spanner-api'
import type { protos } from '@google-cloud/spanner-api'
import { within } from '../service/deadline.ts'
import type { Clock } from '../service/ports.ts'
import { clientOptions } from './endpoint.ts'
import type { SpannerEndpoint } from './endpoint.ts'
import { pause } from './retry.ts'
import { noCredentials } from './channel.ts'
import { grpcFailure, isTransient, storeError } from './status.ts'

type Operation = protos.google.longrunning.IOperation

/** The admin API takes some seconds on a bad day; it is not in the way of any request. */
const CALL_TIMEOUT_MS = 20_000
/** Five admin calls a second are allowed for a project and user, polling included, and others use them too. */
const POLL_MS = 1000
/** Spanner runs one change of a schema at a time; a rival's is over within about a minute, or worth an error. */
const BUSY_ATTEMPTS_MAX = 60

export interface DatabaseAdminOptions extends SpannerEndpoint {
  /** `projects/P/instances/I/databases/D` */
  readonly database: string
  readonly clock: Clock
}

/** Changes of the schema of one database. Needs `spanner.databases.updateDdl`, which the service itself does not. */
export class DatabaseAdmin implements AsyncDisposable {
  readonly #options: DatabaseAdminOptions
  #client: v1.DatabaseAdminClient | undefined

  constructor(options: DatabaseAdminOptions) {
    this.#options = options
  }

  /**
   * Runs statements as one batch and returns when Spanner has finished, however long that takes; calls `onPoll` about once
   * a second meanwhile. Throws `CalloutError`; then any number of the statements may have been applied.
   */
  async updateSchema(statements: readonly string[], onPoll: () => Promise<void>): Promise<void> {
    const { clock, database } = this.#options
    try {
      const client = await this.#open()
      let operation = await this.#start(client, { database, statements: statements as string[] }, onPoll)
      while (operation.done !== true) {
        await pause(clock, POLL_MS)
        await onPoll()
        operation = await this.#poll(client, operation)
      }
      if (operation.error !== undefined && operation.error !== null) {
        throw Object.assign(new Error('the operation failed'), {
          code: operation.error.code,
          details: operation.error.message,
        })
      }
    } catch (error) {
      throw storeError(error, 'schema change') ?? error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.close()
  }

  /** `initialize()` first: a method of the client would leave its failure unhandled, which ends the process. */
  async #open(): Promise<v1.DatabaseAdminClient> {
    if (this.#client !== undefined) return this.#client
    const client = new v1.DatabaseAdminClient(clientOptions(this.#options))
    await this.#bounded(client.initialize()).catch(noCredentials)
    this.#client = client
    return client
  }

  async #start(
    client: v1.DatabaseAdminClient,
    request: protos.google.spanner.admin.database.v1.IUpdateDatabaseDdlRequest,
    onPoll: () => Promise<void>,
  ): Promise<Operation> {
    for (let attempt = 1; ; attempt++) {
      try {
        const [, operation] = await this.#bounded(
          client.updateDatabaseDdl(request, { timeout: CALL_TIMEOUT_MS, retry: null }),
        )
        if (operation === undefined) throw new Error('no operation to wait for')
        return operation
      } catch (error) {
        const busy = isTransient(error) || /concurrent schema change/i.test(grpcFailure(error)?.details ?? '')
        if (!busy || attempt === BUSY_ATTEMPTS_MAX) throw error
        await pause(this.#options.clock, POLL_MS)
        await onPoll()
      }
    }
  }

  async #poll(client: v1.DatabaseAdminClient, operation: Operation): Promise<Operation> {
    const { name } = operation
    if (typeof name !== 'string') throw new Error('the operation has no name')
    try {
      const request = { name } as protos.google.longrunning.GetOperationRequest
      const [polled] = await this.#bounded(client.operationsClient.getOperation(request, { timeout: CALL_TIMEOUT_MS }))
      return polled
    } catch (error) {
      if (isTransient(error)) return operation
      throw error
    }
  }

  #bounded<T>(work: Promise<T>): Promise<T> {
    const { clock } = this.#options
    return within(work, clock.monotonicMs() + CALL_TIMEOUT_MS, clock, 'schema change')
  }
}
