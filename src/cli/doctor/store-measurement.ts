import { CalloutError } from '../../core/errors.ts'
import type { Clock } from '../../service/ports.ts'
import type { SpannerDatabase } from '../../spanner/database.ts'
import { schemaStatus, type SchemaStatus } from '../../spanner/migrations.ts'
import { createPolicyReader } from '../../spanner/policy-store.ts'
import { parseTimestampMs } from '../../spanner/values.ts'

const STORE_WITHIN_MS = 5_000
const READS = 5
/** Has no grants: a subject may hold anything but a control character, and this is no id of an issuer. */
const NOBODY = 'user:doctor:nobody'

interface Store {
  readonly database: SpannerDatabase
  readonly clock: Clock
}

/** The schema, or why it could not be read. */
export async function readSchema({ database, clock }: Store): Promise<SchemaStatus | CalloutError> {
  try {
    return await schemaStatus(database, clock.monotonicMs() + STORE_WITHIN_MS)
  } catch (error) {
    if (error instanceof CalloutError) return error
    throw error
  }
}

/** Strong reads as a decision makes them, one after the other. */
export interface StrongReads {
  /** Of each but the first, which opened the connection. */
  readonly tookMs: readonly number[]
  readonly clockOffsetMs: number
  readonly uncertaintyMs: number
}

/** Reads as a decision does, for a principal that has no grants. */
export async function measureReads({ database, clock }: Store): Promise<StrongReads> {
  const reader = createPolicyReader(database)
  const tookMs: number[] = []
  let clockOffsetMs = Number.NaN
  let uncertaintyMs = 0
  for (let read = 0; read <= READS; read++) {
    const startedMs = clock.monotonicMs()
    const { readTimestamp } = await reader.read([NOBODY], startedMs + STORE_WITHIN_MS)
    const roundTripMs = clock.monotonicMs() - startedMs
    // The timestamp lies between question and answer.
    uncertaintyMs = roundTripMs / 2
    clockOffsetMs = (parseTimestampMs(readTimestamp, 'down') ?? Number.NaN) - (clock.nowMs() - uncertaintyMs)
    if (read > 0) tookMs.push(roundTripMs)
  }
  return { tookMs, clockOffsetMs, uncertaintyMs }
}
