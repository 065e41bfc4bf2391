import { CalloutError } from '../core/errors.ts'
import type { Grant, Lock, Policy, RoleBinding } from '../core/grant.ts'
import { Batcher } from './batcher.ts'
import type { CalloutEvents } from './events.ts'
import type { Clock, DeadlineMs, PolicyReader } from './ports.ts'

const REQUESTS_PER_READ_MAX = 64
/** Keys of one read. A request brings a handful, a person in many groups hundreds; sixty such persons take several reads. */
const PRINCIPALS_PER_READ_MAX = 1000
/** Two, so that a slow read does not hold everybody; more make the batches smaller and cost rate and CPU (`npm run bench`). */
const READS_IN_FLIGHT_MAX = 2

export interface BatchedPolicyReaderOptions {
  readonly reader: PolicyReader
  readonly waitingMax: number
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'batchSettled'>
}

/**
 * A `PolicyReader` that shares one strong read among the requests that wait at the same moment. Each gets only the rows of
 * its own principals and roles. When a shared read fails for what it found (a principal with too many rows, a row of
 * unexpected shape), each request is read alone, so that one principal's rows cannot refuse another.
 */
export function createBatchedPolicyReader(options: BatchedPolicyReaderOptions): PolicyReader {
  const { reader, clock, events } = options
  const batcher = new Batcher<readonly string[], Answer>({
    run: async (requests, deadlineMs) => {
      const reads = portions(requests).map((portion) => readTogether(reader, portion, deadlineMs))
      return (await Promise.all(reads)).flat()
    },
    itemsMax: REQUESTS_PER_READ_MAX,
    inFlightMax: READS_IN_FLIGHT_MAX,
    waitingMax: options.waitingMax,
    clock,
    settled: (items, durationMs, failure) => events.batchSettled('grants', items, durationMs, failure),
  })
  return {
    async read(principals, deadlineMs) {
      const answer = await batcher.submit(principals, deadlineMs)
      if ('failure' in answer) throw answer.failure
      return answer.policy
    },
  }
}

type Answer = { readonly policy: Policy } | { readonly failure: CalloutError }

/** Splits requests, in order, into reads of at most so many keys; a request that has more is read alone. */
function portions(requests: readonly (readonly string[])[]): (readonly string[])[][] {
  const result: (readonly string[])[][] = []
  let keys = Number.POSITIVE_INFINITY
  for (const principals of requests) {
    keys += principals.length
    if (keys > PRINCIPALS_PER_READ_MAX) {
      result.push([])
      keys = principals.length
    }
    result.at(-1)?.push(principals)
  }
  return result
}

async function readTogether(
  reader: PolicyReader,
  requests: readonly (readonly string[])[],
  deadlineMs: DeadlineMs,
): Promise<Answer[]> {
  const [first] = requests
  if (first !== undefined && requests.length === 1) return [{ policy: await reader.read(first, deadlineMs) }]
  try {
    const shared = await reader.read([...new Set(requests.flat())], deadlineMs)
    const rows = indexRows(shared)
    return requests.map((principals) => ({ policy: rowsOf(principals, rows) }))
  } catch (error) {
    if (!isRefusal(error)) throw error
    return Promise.all(requests.map((principals) => readAlone(reader, principals, deadlineMs)))
  }
}

async function readAlone(reader: PolicyReader, principals: readonly string[], deadlineMs: DeadlineMs): Promise<Answer> {
  try {
    return { policy: await reader.read(principals, deadlineMs) }
  } catch (error) {
    if (error instanceof CalloutError) return { failure: error }
    throw error
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof CalloutError && error.code === 'ERR_STORE_REFUSED'
}

interface IndexedPolicy {
  readonly grants: ReadonlyMap<string, Grant[]>
  readonly bindings: ReadonlyMap<string, RoleBinding[]>
  readonly locks: ReadonlyMap<string, Lock[]>
  readonly readTimestamp: string
}

function indexRows(policy: Policy): IndexedPolicy {
  return {
    grants: Map.groupBy(policy.grants, (grant) => grant.principal),
    bindings: Map.groupBy(policy.bindings, (binding) => binding.member),
    locks: Map.groupBy(policy.locks, (lock) => lock.target),
    readTimestamp: policy.readTimestamp,
  }
}

function rowsOf(asked: readonly string[], rows: IndexedPolicy): Policy {
  const principals = [...new Set(asked)]
  const bindings = principals.flatMap((principal) => rows.bindings.get(principal) ?? [])
  const roles = new Set(bindings.map((binding) => binding.role))
  return {
    grants: [...principals, ...roles].flatMap((principal) => rows.grants.get(principal) ?? []),
    bindings,
    locks: principals.flatMap((principal) => rows.locks.get(principal) ?? []),
    readTimestamp: rows.readTimestamp,
  }
}
