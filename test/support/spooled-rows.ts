import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuditChain } from '../../src/core/audit-chain.ts'
import type { AuditEntry } from '../../src/core/audit-entry.ts'
import { freePort } from '../../src/dev/free-port.ts'
import { systemClock as clock } from '../../src/service/clock.ts'
import type { RecordSpool } from '../../src/service/ports.ts'
import { SpoolKeeper } from '../../src/service/spool-keeper.ts'
import type { SpannerDatabase } from '../../src/spanner/database.ts'
import { createDecisionLog } from '../../src/spanner/decision-log.ts'
import { sha256 } from '../../src/spanner/sha256.ts'
import { replaySpool } from '../../src/spanner/spool-replay.ts'
import { FileSpool } from '../../src/spool/record-spool.ts'
import { RecordedEvents } from './recorded-events.ts'
import { inMs, openDatabase } from './spanner.ts'

/** Long enough to notice that nobody is there. */
const APPEND_WITHIN_MS = 500

/** Writes decisions while no database is there, and brings them to this one out of the spool. */
export async function writeThroughSpool(database: SpannerDatabase, entries: readonly AuditEntry[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'callout-spooled-'))
  try {
    await using nowhere = openDatabase(`127.0.0.1:${await freePort()}`, database.name)
    await using spool = await FileSpool.open({ folder, bytesMax: 10_000_000, ageMaxMs: 60_000, clock })
    const chain = createAuditChain(randomUUID(), sha256)
    const replay = (from: RecordSpool): Promise<number> => replaySpool(from, database, clock)
    await using keeper = new SpoolKeeper({ spool, replay, clock, events: new RecordedEvents() })
    const log = createDecisionLog({ database: nowhere.database, chain, clock, spool: keeper })
    await log.append(entries, inMs(APPEND_WITHIN_MS))
    if (!(await keeper.empty())) throw new Error('the spool could not be emptied')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
