import { setTimeout as delay } from 'node:timers/promises'
import { createAuditChain, type AuditChain } from '../core/audit-chain.ts'
import type { Config } from '../config/config.ts'
import type { Secrets } from '../config/secrets.ts'
import { openCheckpointFile } from '../evidence/checkpoint-file.ts'
import { createCheckpointSigner } from '../evidence/checkpoint-note.ts'
import { parseSignerKey } from '../evidence/note-key.ts'
import { createAuditWriter, type AuditWriter } from '../service/audit-writer.ts'
import { Checkpointer } from '../service/checkpointer.ts'
import { systemClock as clock } from '../service/clock.ts'
import type { CalloutEvents, ReadinessProbe } from '../service/events.ts'
import { SpoolKeeper } from '../service/spool-keeper.ts'
import { createCheckpointStore } from '../spanner/checkpoint-store.ts'
import type { SpannerDatabase } from '../spanner/database.ts'
import { createDecisionLog } from '../spanner/decision-log.ts'
import { replaySpool } from '../spanner/spool-replay.ts'
import { sha256 } from '../spanner/sha256.ts'
import { FileSpool } from '../spool/record-spool.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { CommandFailure, EXIT } from './io.ts'

/** At the end, for rows of refusals that were answered before. */
const FLUSH_WITHIN_MS = 2000
/** Pause between two attempts to replay the spool at the start. */
const REPLAY_RETRY_MS = 1000

export interface AuditTrailOptions {
  readonly config: Config
  readonly secrets: Secrets
  readonly database: SpannerDatabase
  /** A UUIDv7 of this instant. */
  readonly newId: (nowMs: number) => string
  readonly instanceId: string
  readonly events: CalloutEvents
  readonly metrics: Metrics
  /** Gets that of the spool, before it is waited for. */
  readonly probes: ReadinessProbe[]
  /** Gives up waiting for the database. */
  readonly signal: AbortSignal
}

/**
 * What records decisions: rows in a chain of this process, which is signed if there is a key for it. What an earlier process left
 * in the spool is in the database when this returns.
 */
export async function openAuditTrail(options: AuditTrailOptions, stack: AsyncDisposableStack): Promise<AuditWriter> {
  const { config, database, newId, events } = options
  const chain = createAuditChain(newId(clock.nowMs()), sha256)
  await startCheckpoints(options, chain, stack)
  const writer = createAuditWriter({
    log: createDecisionLog({ database, chain, clock, ...(await openSpool(options, stack)) }),
    waitingMax: config.callout.maxInFlight,
    clock,
    events,
  })
  stack.defer(() => writer.flush(clock.monotonicMs() + FLUSH_WITHIN_MS))
  return writer
}

async function openSpool(
  { config, database, events, metrics, probes, signal }: AuditTrailOptions,
  stack: AsyncDisposableStack,
): Promise<{ readonly spool?: SpoolKeeper }> {
  if (config.audit.spool === undefined) return {}
  const file = stack.use(await FileSpool.open({ ...config.audit.spool, clock }))
  metrics.observeSpool(() => file.pending)
  const spool = new SpoolKeeper({ spool: file, replay: (from) => replaySpool(from, database, clock), clock, events })
  probes.push(spool.probe)
  while (!(await spool.empty())) await delay(REPLAY_RETRY_MS, undefined, { signal })
  stack.use(spool).start()
  return { spool }
}

async function startCheckpoints(
  options: AuditTrailOptions,
  chain: AuditChain,
  stack: AsyncDisposableStack,
): Promise<void> {
  const { config, secrets, database, instanceId, events } = options
  const { checkpoints } = config.audit
  if (checkpoints === undefined || secrets.checkpointKey === undefined) return
  const key = parseSignerKey(secrets.checkpointKey)
  if (key === undefined) {
    throw new CommandFailure(EXIT.usage, [`audit.checkpoints.key_file: the key is damaged: ${checkpoints.keyFile}`])
  }
  const { file } = checkpoints
  stack.use(
    new Checkpointer({
      chain,
      sign: createCheckpointSigner(key),
      sha256,
      store: createCheckpointStore(database, instanceId),
      ...(file !== undefined && { copy: await openCheckpointFile(file) }),
      clock,
      events,
    }),
  )
}
