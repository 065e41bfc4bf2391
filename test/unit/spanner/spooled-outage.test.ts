import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { createAuditChain } from '../../../src/core/audit-chain.ts'
import { CalloutError } from '../../../src/core/errors.ts'
import { createAuditWriter, type AuditWriter } from '../../../src/service/audit-writer.ts'
import type { DeadlineMs, RecordSpool } from '../../../src/service/ports.ts'
import { SpoolKeeper } from '../../../src/service/spool-keeper.ts'
import type { SpannerDatabase } from '../../../src/spanner/database.ts'
import { createDecisionLog } from '../../../src/spanner/decision-log.ts'
import type { Mutation } from '../../../src/spanner/mutation.ts'
import { sha256 } from '../../../src/spanner/sha256.ts'
import { replaySpool } from '../../../src/spanner/spool-replay.ts'
import { stringValue, type Row } from '../../../src/spanner/values.ts'
import { FileSpool } from '../../../src/spool/record-spool.ts'
import { anAllow, anEntry, anId } from '../../contract/stored-rows.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

/** Far more than in one region. */
const COMMIT_MS = 100
const RETRY_MS = 200
const STEP_MS = 10
const ROWS_PER_STEP = 5
const DEADLINE_MS = 1350

/** `Decisions` behind commits that take their time, and go unanswered while it is away, whether they got there or not. */
class SlowTable {
  readonly rows = new Map<string, { readonly identity: Row; readonly isSpooled: boolean }>()
  isAway = false
  readonly #clock: ManualClock

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  async commit(mutations: readonly Mutation[], _: unknown, deadlineMs: DeadlineMs): Promise<void> {
    while (this.isAway) await this.#wait(RETRY_MS, deadlineMs)
    await this.#wait(COMMIT_MS, deadlineMs)
    const rows = mutations.flatMap(({ insert }) =>
      (insert?.values ?? []).map(({ values }) => {
        const cell = (name: string) => values?.[insert?.columns?.indexOf(name) ?? -1]
        const identity = ['DecisionId', 'Outcome', 'UserNkey', 'RowHash'].map((name) =>
          stringValue(cell(name)?.stringValue ?? ''),
        )
        return { identity, isSpooled: cell('Spooled')?.boolValue === true }
      }),
    )
    if (rows.some(({ identity }) => this.rows.has(idOf(identity))))
      throw new CalloutError('ERR_STORE_CONFLICT', 'there')
    for (const row of rows) this.rows.set(idOf(row.identity), row)
    while (this.isAway) await this.#wait(RETRY_MS, deadlineMs)
  }

  async read({
    prefixes,
  }: {
    readonly prefixes: readonly Row[]
  }): Promise<{ readonly rows: readonly (Row | undefined)[] }> {
    const found = prefixes.map((key) => this.rows.get(key[2]?.stringValue ?? '')?.identity)
    return { rows: found.filter((row) => row !== undefined) }
  }

  #wait(ms: number, deadlineMs: DeadlineMs): Promise<void> {
    const leftMs = deadlineMs - this.#clock.monotonicMs()
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new CalloutError('ERR_STORE_UNAVAILABLE', 'no answer'))
      this.#clock.after(Math.min(ms, leftMs), ms < leftMs ? resolve : late)
    })
  }
}

function idOf(identity: Row): string {
  return identity[0]?.stringValue ?? ''
}

/** Knows when the disk is at work, which the clock of a test does not wait for. */
class WatchedSpool implements RecordSpool {
  readonly #spool: FileSpool
  #atWork = 0

  constructor(spool: FileSpool) {
    this.#spool = spool
  }

  get pending(): number {
    return this.#spool.pending
  }

  append(records: readonly string[]): Promise<void> {
    return this.#while(() => this.#spool.append(records))
  }

  drain(take: (records: readonly string[]) => Promise<void>, batchMax: number): Promise<void> {
    return this.#while(() =>
      this.#spool.drain(async (records) => {
        this.#atWork -= 1
        try {
          await take(records)
        } finally {
          this.#atWork += 1
        }
      }, batchMax),
    )
  }

  async resting(): Promise<void> {
    do await settled()
    while (this.#atWork > 0)
  }

  async #while(work: () => Promise<void>): Promise<void> {
    this.#atWork += 1
    try {
      await work()
    } finally {
      this.#atWork -= 1
    }
  }
}

let folder = ''
let clock: ManualClock
let table: SlowTable
let file: FileSpool
let spool: WatchedSpool
let keeper: SpoolKeeper
let writer: AuditWriter
let sent: number
let refusals: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callout-outage-'))
  clock = new ManualClock()
  table = new SlowTable(clock)
  const database = table as unknown as SpannerDatabase
  file = await FileSpool.open({ folder, bytesMax: 16 * 1024 * 1024, ageMaxMs: 900_000, clock })
  spool = new WatchedSpool(file)
  const events = new RecordedEvents()
  keeper = new SpoolKeeper({ spool, replay: (from) => replaySpool(from, database, clock), clock, events })
  keeper.start()
  const chain = createAuditChain(randomUUID(), sha256)
  const log = createDecisionLog({ database, chain, clock, spool: keeper })
  writer = createAuditWriter({ log, waitingMax: 1024, clock, events })
  sent = 0
  refusals = []
})
afterEach(async () => {
  await file[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Sends 500 rows a second for so long. */
async function load(ms: number): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += STEP_MS) {
    for (let row = 0; row < ROWS_PER_STEP; row += 1) {
      const entry = anEntry(anAllow({ id: anId((sent += 1).toString()) }))
      writer.record(entry, clock.monotonicMs() + DEADLINE_MS).catch((error: Error) => refusals.push(error.message))
    }
    await spool.resting()
    await clock.advance(STEP_MS)
    await spool.resting()
  }
}

const spooled = (): number => [...table.rows.values()].filter(({ isSpooled }) => isSpooled).length

suite('an outage under load, with a spool', () => {
  test('is over for new rows within 2 s of its end, and for those on the disk too', async () => {
    await load(500)
    table.isAway = true
    await load(3000)
    assert.ok(spool.pending > 1000)
    table.isAway = false
    await load(2000)
    assert.equal(spool.pending, 0)
    const before = spooled()
    await load(1000)
    assert.equal(spooled(), before)
  })

  test('costs nobody the connection, and leaves each row in the database once', async () => {
    await load(500)
    for (let outage = 0; outage < 2; outage += 1) {
      table.isAway = true
      await load(1000)
      table.isAway = false
      await load(2000)
    }
    await clock.advance(DEADLINE_MS)
    assert.deepEqual(refusals, [])
    assert.equal(table.rows.size, sent)
  })
})
