import { CalloutError } from '../core/errors.ts'
import type { Grant, Lock, Policy, RoleBinding, RoleSettings } from '../core/grant.ts'
import { Batcher } from './batcher.ts'
import type { CalloutEvents } from './events.ts'
import type { Clock, DeadlineMs, PolicyReader } from './ports.ts'

const REQUESTS_PER_READ_MAX = 64
/** Keys of one read. A request brings a handful, a person in many groups hundreds; sixty such persons take several reads. */
const KEYS_PER_READ_MAX = 1000
/** The second for when the first is slow or full; more make the batches smaller and cost rate and CPU (`npm run bench`). */
const READS_IN_FLIGHT_MAX = 2
/** Several times what three reads take in one region; a request spends a thirtieth of its deadline on a read that hangs. */
const READ_OVERDUE_MS = 50

export interface BatchedPolicyReaderOptions {
  readonly reader: PolicyReader
  readonly waitingMax: number
  readonly clock: Clock
  readonly events: Pick<CalloutEvents, 'batchSettled'>
}

/**
 * A `PolicyReader` that shares one strong read among the requests that wait at the same moment. Each gets only the rows of
 * its own keys and roles. When a shared read fails for what it found (a principal with too many rows, a row of
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
    overdueMs: READ_OVERDUE_MS,
    waitingMax: options.waitingMax,
    clock,
    settled: (items, durationMs, failure) => events.batchSettled('grants', items, durationMs, failure),
  })
  return {
    async read(keys, deadlineMs) {
      const answer = await batcher.submit(keys, deadlineMs)
      if ('failure' in answer) throw answer.failure
      return answer.policy
    },
  }
}

type Answer = { readonly policy: Policy } | { readonly failure: CalloutError }

/** Splits requests, in order, into reads of at most so many keys, shared ones counted once; a request that has more is read alone. */
function portions(requests: readonly (readonly string[])[]): (readonly string[])[][] {
  const result: (readonly string[])[][] = []
  let keys: Set<string> | undefined
  for (const request of requests) {
    const together: Set<string> = (keys ?? new Set()).union(new Set(request))
    if (keys === undefined || together.size > KEYS_PER_READ_MAX) {
      result.push([])
      keys = new Set(request)
    } else keys = together
    result.at(-1)?.push(request)
  }
  return result
}

async function readTogether(
  reader: PolicyReader,
  requests: readonly (readonly string[])[],
  deadlineMs: DeadlineMs,
): Promise<Answer[]> {
  const [first] = requests
  try {
    if (first !== undefined && requests.length === 1) return [{ policy: await reader.read(first, deadlineMs) }]
    const shared = await reader.read([...new Set(requests.flat())], deadlineMs)
    const rows = indexRows(shared)
    return requests.map((keys) => ({ policy: rowsOf(keys, rows) }))
  } catch (error) {
    if (!isRefusal(error)) throw error
    if (requests.length === 1) return [{ failure: error }]
    return Promise.all(requests.map((keys) => readAlone(reader, keys, deadlineMs)))
  }
}

async function readAlone(reader: PolicyReader, keys: readonly string[], deadlineMs: DeadlineMs): Promise<Answer> {
  try {
    return { policy: await reader.read(keys, deadlineMs) }
  } catch (error) {
    if (error instanceof CalloutError) return { failure: error }
    throw error
  }
}

function isRefusal(error: unknown): error is CalloutError {
  return error instanceof CalloutError && error.code === 'ERR_STORE_REFUSED'
}

interface IndexedPolicy {
  readonly grants: ReadonlyMap<string, Grant[]>
  readonly bindings: ReadonlyMap<string, RoleBinding[]>
  readonly locks: ReadonlyMap<string, Lock[]>
  readonly roles: ReadonlyMap<string, RoleSettings>
  readonly readTimestamp: string
}

function indexRows(policy: Policy): IndexedPolicy {
  return {
    grants: Map.groupBy(policy.grants, (grant) => grant.principal),
    bindings: Map.groupBy(policy.bindings, (binding) => binding.member),
    locks: Map.groupBy(policy.locks, (lock) => lock.target),
    roles: new Map(policy.roles.map((role) => [role.role, role])),
    readTimestamp: policy.readTimestamp,
  }
}

function rowsOf(asked: readonly string[], rows: IndexedPolicy): Policy {
  const keys = [...new Set(asked)]
  const bindings = keys.flatMap((key) => rows.bindings.get(key) ?? [])
  const holders = [...new Set([...keys, ...bindings.map((binding) => binding.role)])]
  return {
    grants: holders.flatMap((key) => rows.grants.get(key) ?? []),
    bindings,
    locks: keys.flatMap((key) => rows.locks.get(key) ?? []),
    roles: holders.flatMap((key) => rows.roles.get(key) ?? []),
    readTimestamp: rows.readTimestamp,
  }
}
