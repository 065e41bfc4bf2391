import { createAuditChain, type AuditChain } from '../core/audit-chain.ts'
import type { Config } from '../config/config.ts'
import type { Secrets } from '../config/secrets.ts'
import { createCheckpointFile } from '../evidence/checkpoint-file.ts'
import { createCheckpointSigner } from '../evidence/checkpoint-note.ts'
import { parseSignerKey } from '../evidence/note-key.ts'
import { createAuditWriter, type AuditWriter } from '../service/audit-writer.ts'
import { Checkpointer } from '../service/checkpointer.ts'
import { systemClock as clock } from '../service/clock.ts'
import type { CalloutEvents } from '../service/events.ts'
import { createCheckpointStore } from '../spanner/checkpoint-store.ts'
import type { SpannerDatabase } from '../spanner/database.ts'
import { createDecisionLog } from '../spanner/decision-log.ts'
import { sha256 } from '../spanner/sha256.ts'
import { CommandFailure, EXIT } from './io.ts'

/** At the end, for rows of refusals that were answered before. */
const FLUSH_WITHIN_MS = 2000

export interface AuditTrailOptions {
  readonly config: Config
  readonly secrets: Secrets
  readonly database: SpannerDatabase
  /** A UUIDv7 of this instant. */
  readonly newId: (nowMs: number) => string
  readonly instanceId: string
  readonly events: CalloutEvents
}

/** What records decisions: rows in a chain of this process, which is signed if there is a key for it. */
export function openAuditTrail(options: AuditTrailOptions, stack: AsyncDisposableStack): AuditWriter {
  const { config, database, newId, events } = options
  const chain = createAuditChain(newId(clock.nowMs()), sha256)
  startCheckpoints(options, chain, stack)
  const writer = createAuditWriter({
    log: createDecisionLog({ database, chain, clock }),
    waitingMax: config.callout.maxInFlight,
    clock,
    events,
  })
  stack.defer(() => writer.flush(clock.monotonicMs() + FLUSH_WITHIN_MS))
  return writer
}

function startCheckpoints(options: AuditTrailOptions, chain: AuditChain, stack: AsyncDisposableStack): void {
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
      ...(file !== undefined && { copy: createCheckpointFile(file) }),
      clock,
      events,
    }),
  )
}
