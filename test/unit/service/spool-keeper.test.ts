import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { CalloutError } from '../../../src/core/errors.ts'
import type { RecordSpool } from '../../../src/service/ports.ts'
import { SpoolKeeper } from '../../../src/service/spool-keeper.ts'
import { FileSpool } from '../../../src/spool/record-spool.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const away = new CalloutError('ERR_STORE_UNAVAILABLE', 'commit: no answer')
const forbidden = new CalloutError('ERR_STORE_FORBIDDEN', 'commit: a privilege is missing')
const refused = new CalloutError('ERR_STORE_REFUSED', 'commit: a row is too large')
const conflict = new CalloutError('ERR_STORE_CONFLICT', 'decisions: another decision with this id is stored')

let folder = ''
let file: FileSpool
let clock: ManualClock
/** Why the database takes nothing. */
let failure: Error | undefined
/** What it has taken. */
let stored: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callout-keeper-'))
  clock = new ManualClock()
  file = await FileSpool.open({ folder, bytesMax: 100_000, ageMaxMs: 60_000, clock })
  failure = undefined
  stored = []
})
afterEach(async () => {
  await file[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

function keeperOf(): SpoolKeeper {
  const replay = async (spool: RecordSpool): Promise<number> => {
    const before = stored.length
    await spool.drain(async (records) => {
      if (failure !== undefined) throw failure
      stored.push(...records)
    }, 10)
    return stored.length - before
  }
  return new SpoolKeeper({ spool: file, replay, clock, events: new RecordedEvents() })
}

suite('a spool that is emptied', () => {
  test('takes records through an outage, in their order', async () => {
    const keeper = keeperOf()
    failure = away
    await keeper.append(['a'])
    assert.equal(await keeper.empty(), false)
    await keeper.append(['b'])
    failure = undefined
    assert.equal(await keeper.empty(), true)
    assert.deepEqual([stored, keeper.pending], [['a', 'b'], 0])
  })

  for (const refusal of [forbidden, refused, conflict]) {
    test(`takes nothing more once the database answers ${refusal.code} to what waits`, async () => {
      const keeper = keeperOf()
      failure = refusal
      await keeper.append(['a'])
      await keeper.empty()
      await assert.rejects(keeper.append(['b']), {
        code: 'ERR_AUDIT_UNAVAILABLE',
        message: `audit: the spool is closed: ${refusal.message}`,
      })
      assert.equal(keeper.pending, 1)
    })
  }

  test('takes nothing more once a bug keeps what waits from the database, and says so', async () => {
    const keeper = keeperOf()
    keeper.start()
    failure = new TypeError('undefined is no row')
    await keeper.append(['a'])
    await keeper.empty()
    await assert.rejects(keeper.append(['b']), { code: 'ERR_AUDIT_UNAVAILABLE' })
    const why = '1 row of the audit on the disk wait for the database: what is spooled could not be replayed'
    assert.deepEqual(keeper.probe(), [{ part: 'audit_spool', ready: false, why }])
  })

  test('takes nothing either when an outage follows, since nobody knows whether what waits is permitted by now', async () => {
    const keeper = keeperOf()
    failure = forbidden
    await keeper.append(['a'])
    await keeper.empty()
    failure = away
    await keeper.empty()
    await assert.rejects(keeper.append(['b']), { code: 'ERR_AUDIT_UNAVAILABLE' })
  })

  test('takes records again once what waited is in the database', async () => {
    const keeper = keeperOf()
    failure = forbidden
    await keeper.append(['a'])
    await keeper.empty()
    failure = undefined
    await keeper.empty()
    await keeper.append(['b'])
    assert.deepEqual([stored, keeper.pending], [['a'], 1])
  })

  test('is emptied within a second of the end of an outage', async () => {
    const keeper = keeperOf()
    keeper.start()
    failure = away
    await keeper.append(['a'])
    await clock.advance(5000)
    failure = undefined
    await clock.advance(1000)
    while (keeper.pending > 0) await settled()
    assert.deepEqual(stored, ['a'])
  })
})

suite('a spool that is ended', () => {
  /** Replays of which none comes back before it is told to. */
  function hangingKeeper(): {
    keeper: SpoolKeeper
    answer: PromiseWithResolvers<void>
    replays: () => number
    events: RecordedEvents
  } {
    const answer = Promise.withResolvers<void>()
    const events = new RecordedEvents()
    let replays = 0
    const replay = async (spool: RecordSpool): Promise<number> => {
      replays += 1
      await spool.drain(() => answer.promise, 10)
      return 1
    }
    return { keeper: new SpoolKeeper({ spool: file, replay, clock, events }), answer, replays: () => replays, events }
  }

  test('is emptied once more', async () => {
    const keeper = keeperOf()
    keeper.start()
    await file.append(['a'])
    await keeper[Symbol.asyncDispose]()
    assert.deepEqual(stored, ['a'])
  })

  test('is left as it is when the last attempt failed', async () => {
    const keeper = keeperOf()
    failure = away
    await keeper.append(['a'])
    await keeper.empty()
    failure = undefined
    await keeper[Symbol.asyncDispose]()
    assert.deepEqual([stored, keeper.pending], [[], 1])
  })

  test('is left as it is in an outage, whatever attempt is under way', async () => {
    const { keeper, replays } = hangingKeeper()
    keeper.start()
    await keeper.append(['a'])
    await clock.advance(1000)
    await keeper[Symbol.asyncDispose]()
    assert.deepEqual([replays(), keeper.pending], [1, 1])
  })

  test('is waited for two seconds at most', async () => {
    const { keeper, replays } = hangingKeeper()
    await file.append(['a'])
    const ended = keeper[Symbol.asyncDispose]()
    await clock.advance(2000)
    await ended
    assert.equal(replays(), 1)
  })

  test('is waited for two seconds at most when an attempt is under way, and then not tried again', async () => {
    const { keeper, replays } = hangingKeeper()
    keeper.start()
    await file.append(['a'])
    await clock.advance(1000)
    const ended = keeper[Symbol.asyncDispose]()
    await clock.advance(2000)
    await ended
    assert.equal(replays(), 1)
  })

  test('keeps what the database took too late for the next process, which writes it again', async () => {
    const { keeper, answer, events } = hangingKeeper()
    await file.append(['a', 'b'])
    const ended = keeper[Symbol.asyncDispose]()
    await clock.advance(2000)
    await ended
    answer.resolve()
    await settled()
    assert.deepEqual([keeper.pending, events.spoolReplays, events.unexpectedErrors], [2, [], []])
  })
})

suite('a spool diverts', () => {
  test('nothing as long as nothing is given to it', () => {
    assert.equal(keeperOf().isDiverting, false)
  })

  test('from the first record that it is given, through the outage', async () => {
    const keeper = keeperOf()
    failure = away
    const appending = keeper.append(['a'])
    assert.equal(keeper.isDiverting, true)
    await appending
    await keeper.empty()
    assert.equal(keeper.isDiverting, true)
  })

  test('no more once the first of its records are in the database', async () => {
    const keeper = keeperOf()
    await keeper.append(['a', 'b'])
    const taken = keeper.drain(async ([record]) => {
      if (record === 'b') throw away
    }, 1)
    await assert.rejects(taken, away)
    assert.deepEqual([keeper.isDiverting, keeper.pending], [false, 1])
  })

  test('no more once the database refuses what waits, since it may take what comes', async () => {
    const keeper = keeperOf()
    failure = refused
    await keeper.append(['a'])
    await keeper.empty()
    assert.equal(keeper.isDiverting, false)
  })

  test('no more after a disk that took nothing', async () => {
    const keeper = keeperOf()
    await assert.rejects(keeper.append(['x'.repeat(200_000)]), { code: 'ERR_AUDIT_UNAVAILABLE' })
    await keeper.empty()
    assert.equal(keeper.isDiverting, false)
  })
})

suite('the readiness of a spool', () => {
  test('says nothing of an empty one', () => {
    assert.deepEqual(keeperOf().probe(), [{ part: 'audit_spool', ready: true }])
  })

  test('says at the start how many rows wait', async () => {
    await file.append(['a', 'b'])
    const why = '2 rows of the audit on the disk wait for the database'
    assert.deepEqual(keeperOf().probe(), [{ part: 'audit_spool', ready: false, why }])
  })

  test('says why they still wait', async () => {
    await file.append(['a'])
    const keeper = keeperOf()
    failure = away
    await keeper.empty()
    const why = '1 row of the audit on the disk wait for the database: commit: no answer'
    assert.deepEqual(keeper.probe(), [{ part: 'audit_spool', ready: false, why }])
  })

  test('is no reason against the service while it serves, and still says how many rows wait', async () => {
    const keeper = keeperOf()
    keeper.start()
    await keeper.append(['a', 'b'])
    const why = '2 rows of the audit on the disk wait for the database'
    assert.deepEqual(keeper.probe(), [{ part: 'audit_spool', ready: true, why }])
  })

  test('is one while the database forbids what waits', async () => {
    const keeper = keeperOf()
    keeper.start()
    failure = forbidden
    await keeper.append(['a'])
    await keeper.empty()
    assert.deepEqual(
      keeper.probe().map(({ ready }) => ready),
      [false],
    )
  })
})
