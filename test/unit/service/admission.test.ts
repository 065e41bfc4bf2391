import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Admission, type AdmissionOptions } from '../../../src/service/admission.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const DEADLINE_MS = 1000

interface Situation {
  readonly clock: ManualClock
  readonly events: RecordedEvents
  readonly admission: Admission<string>
  readonly started: string[]
  readonly shed: string[]
  /** Ends the work on an item, unless it was none. */
  readonly finish: (item: string, wasWork?: boolean) => Promise<void>
}

function aSituation(change: Partial<AdmissionOptions<string>> = {}): Situation {
  const clock = new ManualClock()
  const events = new RecordedEvents()
  const started: string[] = []
  const shed: string[] = []
  const work = new Map<string, (wasWork: boolean) => void>()
  const admission = new Admission<string>({
    start(item) {
      started.push(item)
      const { promise, resolve } = Promise.withResolvers<boolean>()
      work.set(item, resolve)
      return promise
    },
    shed: (item) => void shed.push(item),
    inFlightMax: 1,
    deadlineMs: DEADLINE_MS,
    waitingMax: 100,
    waitingBytesMax: 1000,
    clock,
    nextTurn: (callback) => void setImmediate(callback),
    events,
    ...change,
  })
  const finish = async (item: string, wasWork = true): Promise<void> => {
    work.get(item)?.(wasWork)
    await settled()
    await settled()
  }
  return { clock, events, admission, started, shed, finish }
}

async function offer({ admission, clock }: Situation, ...items: string[]): Promise<void> {
  for (const item of items) admission.offer(item, 1, clock.monotonicMs())
  await settled()
}

suite('admission', () => {
  test('begins nothing in the turn in which a message is read', () => {
    const situation = aSituation()
    situation.admission.offer('a', 1, 0)
    assert.deepEqual(situation.started, [])
  })

  test('works on as many requests at once as it may', async () => {
    const situation = aSituation({ inFlightMax: 2 })
    await offer(situation, 'a', 'b', 'c')
    assert.deepEqual(situation.started, ['a', 'b'])
    await situation.finish('a')
    assert.deepEqual(situation.started, ['a', 'b', 'c'])
  })

  test('gives the place of what turns out to be no request to the next', async () => {
    const situation = aSituation()
    await offer(situation, 'forged', 'a')
    await situation.finish('forged', false)
    assert.deepEqual([situation.started, situation.admission.inFlight], [['forged', 'a'], 1])
  })

  test('learns nothing about how long work takes from what turns out to be no request', async () => {
    const situation = aSituation()
    await offer(situation, 'forged', 'hangs', 'waits')
    await situation.clock.advance(400)
    await situation.finish('forged', false)
    await situation.clock.advance(DEADLINE_MS - 460)
    assert.deepEqual(situation.shed, [])
    await situation.clock.advance(20)
    assert.equal(situation.shed.length, 1)
  })

  test('gives the place of work that failed to the next', async () => {
    const started: string[] = []
    const situation = aSituation({
      start(item) {
        started.push(item)
        return Promise.reject(new Error('failed'))
      },
    })
    await offer(situation, 'a', 'b')
    await settled()
    assert.deepEqual(started, ['a', 'b'])
  })

  test('keeps the order of arrival while nobody has waited long', async () => {
    const situation = aSituation()
    await offer(situation, 'a', 'b', 'c')
    await situation.clock.advance(90)
    await situation.finish('a')
    assert.deepEqual(situation.started, ['a', 'b'])
  })

  test('serves the newest first when the oldest has waited long', async () => {
    const situation = aSituation()
    await offer(situation, 'a', 'b', 'c')
    await situation.clock.advance(110)
    await situation.finish('a')
    assert.deepEqual(situation.started, ['a', 'c'])
  })

  test('sheds what still waits when its time has come, although all work hangs', async () => {
    const situation = aSituation()
    await offer(situation, 'hangs', 'waits')
    await situation.clock.advance(DEADLINE_MS - 60)
    assert.deepEqual(situation.shed, [])
    await situation.clock.advance(20)
    assert.deepEqual(situation.shed, ['waits'])
    assert.deepEqual(situation.started, ['hangs'])
  })

  test('starts nothing that would not be done in time, as long as work takes these days', async () => {
    const situation = aSituation()
    await offer(situation, 'slow', 'waits', 'waits longer')
    await situation.clock.advance(400)
    await situation.finish('slow')
    assert.deepEqual(situation.started, ['slow', 'waits longer'])
    await situation.clock.advance(199)
    assert.deepEqual(situation.shed, [])
    await situation.clock.advance(2)
    assert.deepEqual(situation.shed, ['waits'])
  })

  test('starts a fresh request after an outage in which everything took too long', async () => {
    const situation = aSituation()
    await offer(situation, 'hangs')
    await situation.clock.advance(2 * DEADLINE_MS)
    await situation.finish('hangs')
    await offer(situation, 'fresh')
    assert.deepEqual(situation.started, ['hangs', 'fresh'])
  })

  test('sheds the oldest when more wait than may', async () => {
    const situation = aSituation({ waitingMax: 2 })
    await offer(situation, 'in work')
    await offer(situation, 'a', 'b', 'c')
    assert.deepEqual(situation.shed, ['a'])
    assert.equal(situation.admission.waiting, 2)
  })

  test('sheds the oldest when more bytes wait than may', async () => {
    const situation = aSituation({ waitingBytesMax: 100 })
    await offer(situation, 'in work')
    situation.admission.offer('a', 60, 0)
    situation.admission.offer('b', 60, 0)
    assert.deepEqual(situation.shed, ['a'])
  })

  test('is idle when nothing waits and nothing is worked on', async () => {
    const situation = aSituation()
    await offer(situation, 'a', 'b')
    let idle = false
    const becameIdle = situation.admission.idle().then(() => (idle = true))
    await situation.finish('a')
    assert.equal(idle, false)
    await situation.finish('b')
    await becameIdle
  })

  test('tells how many are worked on and wait', async () => {
    const situation = aSituation()
    await offer(situation, 'a', 'b', 'c')
    assert.deepEqual([situation.events.inFlightMax, situation.events.waitingMax], [1, 3])
  })

  test('reads sockets between pieces of work', async () => {
    const clock = new ManualClock()
    let turns = 0
    const admission = new Admission<number>({
      // Each beginning takes 2 ms of the thread.
      start() {
        clock.pass(2)
        return Promise.resolve(true)
      },
      shed() {},
      inFlightMax: 1000,
      deadlineMs: DEADLINE_MS,
      waitingMax: 1000,
      waitingBytesMax: 1000,
      clock,
      nextTurn(callback) {
        turns += 1
        setImmediate(callback)
      },
      events: new RecordedEvents(),
    })
    for (let item = 0; item < 100; item += 1) admission.offer(item, 1, clock.monotonicMs())
    await admission.idle()
    assert.ok(turns > 20, `${turns} turns`)
  })
})

test('nothing is started that is late, however much there is to shed', async () => {
  const clock = new ManualClock()
  const started: number[] = []
  const shed: number[] = []
  const admission = new Admission<number>({
    start(item) {
      started.push(item)
      return Promise.resolve(true)
    },
    shed(item) {
      shed.push(item)
      clock.pass(1)
    },
    inFlightMax: 1000,
    deadlineMs: DEADLINE_MS,
    waitingMax: 1000,
    waitingBytesMax: 1000,
    clock,
    nextTurn: (callback) => void setImmediate(callback),
    events: new RecordedEvents(),
  })
  for (let item = 0; item < 100; item += 1) admission.offer(item, 1, clock.monotonicMs())
  clock.pass(DEADLINE_MS)
  await admission.idle()
  assert.deepEqual([started.length, shed.length], [0, 100])
})

suite('at three times the load that it can bear', () => {
  /** Four places, 40 ms of work on average: 100 a second. */
  async function overloaded(): Promise<{ inTime: number; late: number; waitingMax: number }> {
    const clock = new ManualClock()
    const events = new RecordedEvents()
    const result = { inTime: 0, late: 0, waitingMax: 0 }
    let dice = 1
    const admission = new Admission<number>({
      start: (_item, receivedAtMs) =>
        new Promise((resolve) => {
          dice = (dice * 48_271) % 2_147_483_647
          clock.after(20 + (dice % 41), () => {
            if (clock.monotonicMs() - receivedAtMs < DEADLINE_MS) result.inTime += 1
            else result.late += 1
            resolve(true)
          })
        }),
      shed() {},
      inFlightMax: 4,
      deadlineMs: DEADLINE_MS,
      waitingMax: 10_000,
      waitingBytesMax: 1e9,
      clock,
      nextTurn: queueMicrotask,
      events,
    })
    for (let item = 0; item < 3000; item += 1) {
      admission.offer(item, 1, clock.monotonicMs())
      await clock.advance(10 / 3)
    }
    await clock.advance(DEADLINE_MS)
    return { ...result, waitingMax: events.waitingMax }
  }

  test('nearly as much is done as without overload, all of it in time, and a bounded number waits', async () => {
    const { inTime, late, waitingMax } = await overloaded()
    assert.equal(late, 0)
    assert.ok(inTime > 950, `${inTime} of 1000`)
    assert.ok(waitingMax < 300, `${waitingMax} waited`)
  })
})
