import type { Policy } from '../core/grant.ts'
import { systemClock as clock } from '../service/clock.ts'
import { readPastPolicy, type UnknownPast } from '../service/past-policy.ts'
import { createPastRows } from '../spanner/past-rows.ts'
import { createPolicyReader } from '../spanner/policy-store.ts'
import { CommandFailure, EXIT } from './io.ts'
import type { Store } from './store.ts'

/** A person waits for it. */
const READ_WITHIN_MS = 10_000

/** Where rows come from: as they are, as Spanner still keeps them, or from the history of changes. */
export type PolicySource = 'now' | 'snapshot' | 'history'

/** What the store says under these keys, now or exactly at a time (RFC 3339 in UTC); fails where the past is not known any more. */
export async function readPolicy(
  { database }: Store,
  keys: readonly string[],
  at: string | undefined,
): Promise<{ readonly policy: Policy; readonly source: PolicySource }> {
  if (at === undefined) {
    const policy = await createPolicyReader(database).read(keys, clock.monotonicMs() + READ_WITHIN_MS)
    return { policy, source: 'now' }
  }
  const past = await readPastPolicy(keys, at, createPastRows({ database, clock }))
  if ('policy' in past) return past
  throw unknownPast(at, past.unknown)
}

function unknownPast(at: string, { why, detail }: UnknownPast): CommandFailure {
  const reasons: Readonly<Record<UnknownPast['why'], string>> = {
    before_history: `the history begins at ${detail}`,
    gap: `of the changes before ${detail} some are lost to the history`,
    inconsistent: `the history does not lead to the ${detail} as it is`,
    not_recorded: `the history reaches until ${detail} only: is "callout serve" running?`,
  }
  return new CommandFailure(why === 'not_recorded' ? EXIT.unavailable : EXIT.conflict, [
    `what was granted at ${at} is not known: Spanner does not keep the rows of then, and ${reasons[why]}`,
  ])
}

/** For people: on which rows something was decided. */
export function writtenSource(readTimestamp: string, source: PolicySource): string {
  const whence = { now: 'as they are', snapshot: 'as Spanner keeps them', history: 'from the history of changes' }
  return `on the rows of ${readTimestamp}, ${whence[source]}`
}
