import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CalloutError } from '../../../src/core/errors.ts'
import { ChangesExpired } from '../../../src/service/history.ts'
import { readChanges, requireReadable } from '../../../src/spanner/change-stream.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'
import { ScriptedChangeStream } from '../../support/scripted-change-stream.ts'

/** So many seconds after the time that is read from. */
function at(seconds: number): string {
  return new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString().replace('.000Z', '.000000000Z')
}

function justBefore(seconds: number): string {
  return at(seconds - 1).replace('.000000000Z', '.999999999Z')
}

interface Reading extends AsyncDisposable {
  /** What was handed out so far, a step each: transactions with their rows, and until when that is all. */
  readonly steps: string[]
  /** Of the transactions, in the order in which they came. */
  readonly ids: string[]
  readonly completeUntil: string | undefined
  readonly failure: unknown
  /** Returns when all that was said has been read. */
  settled(): Promise<void>
}

function read(stream: ScriptedChangeStream, from = at(0)): Reading {
  const stopping = new AbortController()
  const options = { database: stream, stream: 'PolicyChanges', clock: new ManualClock() }
  const reading = {
    steps: [] as string[],
    ids: [] as string[],
    completeUntil: undefined as string | undefined,
    failure: undefined as unknown,
    async settled() {
      for (let turn = 0; turn < 20; turn += 1) await settled()
    },
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await ended
    },
  }
  const ended = (async () => {
    try {
      for await (const { transactions, completeUntil } of readChanges(options, from, stopping.signal)) {
        const written = transactions.map(({ id, rows }) => `${id}:${rows.length}`)
        reading.steps.push([...written, completeUntil].join(' '))
        reading.ids.push(...transactions.map(({ id }) => id))
        reading.completeUntil = completeUntil
      }
    } catch (error) {
      reading.failure = error
    }
  })()
  return reading
}

suite('the partitions of a change stream', () => {
  test('are asked for, and about, from the time after the one that is complete', async () => {
    const stream = new ScriptedChangeStream()
    await using reading = read(stream, at(0))
    stream.begins(at(0), 'a', 'b')
    await reading.settled()
    const start = at(0).replace('000000000Z', '000000001Z')
    assert.deepEqual(
      stream.questions.map(({ token, start }) => [token, start]),
      [
        [undefined, start],
        ['a', start],
        ['b', start],
      ],
    )
    assert.deepEqual(reading.steps, [])
  })

  test('are complete until the heartbeat of the one that is furthest behind', async () => {
    const stream = new ScriptedChangeStream()
    stream.begins(at(0), 'a', 'b')
    await using reading = read(stream)
    stream.heartbeat('a', at(5))
    await reading.settled()
    assert.deepEqual(reading.steps, [])
    stream.heartbeat('b', at(3))
    await reading.settled()
    stream.heartbeat('b', at(7))
    await reading.settled()
    assert.deepEqual(reading.steps, [at(3), at(5)])
  })

  test('that end are gone on with by each of their children, from their time on', async () => {
    const stream = new ScriptedChangeStream()
    stream.begins(at(0), 'a')
    await using reading = read(stream)
    stream.splits('a', at(4), { token: 'left', parents: ['a'] }, { token: 'right', parents: ['a'] })
    await reading.settled()
    assert.deepEqual(stream.asked, ['a', 'left', 'right'])
    assert.deepEqual(new Set(stream.questions.slice(2).map(({ start }) => start)), new Set([at(4)]))
    assert.equal(reading.completeUntil, justBefore(4))
    stream.heartbeat('left', at(9))
    await reading.settled()
    assert.equal(reading.completeUntil, justBefore(4))
    stream.change('right', at(6), { id: 't' })
    stream.heartbeat('right', at(8))
    await reading.settled()
    assert.deepEqual([reading.ids, reading.completeUntil], [['t'], at(8)])
  })

  test('that are merged are gone on with once, when both have ended', async () => {
    const stream = new ScriptedChangeStream()
    stream.begins(at(0), 'a', 'b')
    await using reading = read(stream)
    const merged = { token: 'c', parents: ['a', 'b'] }
    stream.splits('a', at(4), merged)
    stream.heartbeat('b', at(2))
    await reading.settled()
    assert.deepEqual([stream.asked, reading.completeUntil], [['a', 'b'], at(2)])
    stream.change('b', at(3), { id: 'before' })
    stream.splits('b', at(4), merged)
    await reading.settled()
    assert.deepEqual(stream.asked, ['a', 'b', 'c'])
    stream.change('c', at(5), { id: 'after' })
    stream.heartbeat('c', at(6))
    await reading.settled()
    assert.deepEqual([reading.ids, reading.completeUntil], [['before', 'after'], at(6)])
  })

  test('that are merged with one that nobody has named yet are gone on with once, when that has ended as well', async () => {
    const stream = new ScriptedChangeStream()
    stream.begins(at(0), 'a', 'slow')
    await using reading = read(stream)
    const merged = { token: 'c', parents: ['a', 'b'] }
    stream.splits('a', at(4), merged)
    stream.heartbeat('slow', at(1))
    await reading.settled()
    assert.deepEqual(stream.asked, ['a', 'slow'])
    stream.splits('slow', at(2), { token: 'b', parents: ['slow'] })
    stream.change('b', at(3), { id: 'before' })
    stream.splits('b', at(4), merged)
    stream.change('c', at(5), { id: 'after' })
    stream.splits('c', at(6), { token: 'd', parents: ['c'] })
    stream.heartbeat('d', at(7))
    await reading.settled()
    assert.deepEqual(stream.asked, ['a', 'slow', 'b', 'c', 'd'])
    assert.deepEqual([reading.ids, reading.completeUntil], [['before', 'after'], at(7)])
  })

  test('are asked again from the end of what was asked for', async () => {
    const stream = new ScriptedChangeStream()
    stream.begins(at(0), 'a')
    await using reading = read(stream)
    await reading.settled()
    const end = stream.questions[1]?.end ?? ''
    assert.equal(end, at(300))
    stream.heartbeat('a', at(299))
    stream.ends('a')
    stream.heartbeat('a', at(301))
    await reading.settled()
    assert.deepEqual(stream.asked, ['a', 'a'])
    assert.equal(stream.questions[2]?.start, at(300).replace('000000000Z', '000000001Z'))
    assert.deepEqual(reading.steps, [at(299), at(301)])
  })

  test('that end before their time, and go on as none, are a failure: what they had to say is not known', async () => {
    const stream = new ScriptedChangeStream()
    stream.begins(at(0), 'a')
    await using reading = read(stream)
    stream.heartbeat('a', at(1))
    stream.ends('a')
    await reading.settled()
    assert.ok(reading.failure instanceof CalloutError && reading.failure.code === 'ERR_STORE_UNAVAILABLE')
    assert.deepEqual([stream.asked, reading.completeUntil], [['a'], at(1)])
  })
})

suite('the transactions of a change stream', () => {
  test('come when each partition has said its part', async () => {
    const stream = new ScriptedChangeStream()
    stream.begins(at(0), 'a', 'b')
    await using reading = read(stream)
    stream.change('a', at(2), { id: 't', record: 1, of: 2 })
    stream.heartbeat('a', at(9))
    await reading.settled()
    assert.deepEqual(reading.steps, [])
    stream.change('b', at(2), { id: 't', record: 2, of: 2 })
    await reading.settled()
    assert.deepEqual(reading.steps, [`t:2 ${justBefore(2)}`])
  })

  test('come without a part that no partition has when all are past them', async () => {
    const stream = new ScriptedChangeStream()
    stream.begins(at(0), 'a', 'b')
    await using reading = read(stream)
    stream.change('a', at(2), { id: 't', record: 1, of: 2 })
    stream.heartbeat('a', at(3))
    stream.heartbeat('b', at(3))
    await reading.settled()
    assert.deepEqual(reading.steps.at(-1), `t:1 ${at(3)}`)
  })

  test('are not all of their time before something later was said', async () => {
    const stream = new ScriptedChangeStream()
    stream.begins(at(0), 'a')
    await using reading = read(stream)
    stream.change('a', at(2), { id: 'first' })
    await reading.settled()
    assert.equal(reading.completeUntil, justBefore(2))
    stream.change('a', at(2), { id: 'second' })
    stream.heartbeat('a', at(2))
    await reading.settled()
    assert.deepEqual([reading.ids, reading.completeUntil], [['first', 'second'], at(2)])
  })

  test('of a partition that is behind come after later ones, and nothing is complete before', async () => {
    const stream = new ScriptedChangeStream()
    stream.begins(at(0), 'ahead', 'behind')
    await using reading = read(stream)
    stream.change('ahead', at(8), { id: 'late' })
    await reading.settled()
    assert.deepEqual(reading.steps, [`late:1 ${at(0)}`])
    stream.change('behind', at(3), { id: 'early' })
    await reading.settled()
    assert.deepEqual([reading.ids, reading.completeUntil], [['late', 'early'], justBefore(3)])
    stream.heartbeat('behind', at(9))
    await reading.settled()
    assert.equal(reading.completeUntil, justBefore(8))
  })

  test('that were said at once come in the order of their commits', async () => {
    const stream = new ScriptedChangeStream()
    stream.begins(at(0), 'a', 'b')
    stream.change('a', at(3), { id: 'second', record: 1, of: 2 })
    stream.change('a', at(4), { id: 'third', record: 1, of: 2 })
    stream.change('b', at(2), { id: 'first', record: 1, of: 2 })
    for (const token of ['a', 'b']) stream.heartbeat(token, at(5))
    await using reading = read(stream)
    await reading.settled()
    assert.deepEqual(reading.ids, ['first', 'second', 'third'])
  })

  test('that were open at a failure come again, whole, when it is read again from what was complete', async () => {
    const broken = new ScriptedChangeStream()
    const failure = new CalloutError('ERR_STORE_UNAVAILABLE', 'gone')
    broken.begins(at(0), 'a', 'b')
    await using first = read(broken)
    for (const token of ['a', 'b']) broken.heartbeat(token, at(1))
    broken.change('a', at(2), { id: 't', record: 1, of: 2 })
    broken.heartbeat('a', at(3))
    await first.settled()
    broken.fails('b', failure)
    await first.settled()
    assert.deepEqual([first.ids, first.completeUntil, first.failure], [[], at(1), failure])

    const stream = new ScriptedChangeStream()
    await using second = read(stream, first.completeUntil)
    stream.begins(at(1), 'a', 'b')
    for (const [index, token] of ['a', 'b'].entries()) {
      stream.change(token, at(2), { id: 't', record: index + 1, of: 2 })
      stream.heartbeat(token, at(3))
    }
    await second.settled()
    assert.equal(stream.questions[0]?.start, at(1).replace('000000000Z', '000000001Z'))
    assert.deepEqual([second.ids, second.steps.at(-1)?.split(' ').at(-1)], [['t'], at(3)])
  })
})

test('a failure of one partition ends the questions about the others', async () => {
  const stream = new ScriptedChangeStream()
  stream.begins(at(0), 'a', 'b')
  await using reading = read(stream)
  await reading.settled()
  stream.fails('a', new CalloutError('ERR_STORE_UNAVAILABLE', 'gone'))
  await reading.settled()
  assert.ok(reading.failure instanceof CalloutError)
  assert.ok(stream.questions.every(({ signal }) => signal.aborted))
})

test('a stream that names no partition is not there', async () => {
  const stream = new ScriptedChangeStream()
  stream.ends(undefined)
  await using reading = read(stream)
  await reading.settled()
  assert.ok(reading.failure instanceof CalloutError && reading.failure.code === 'ERR_STORE_UNAVAILABLE')
})

test('to stop ends the reading without a failure', async () => {
  const stream = new ScriptedChangeStream()
  stream.begins(at(0), 'a')
  const reading = read(stream)
  await reading.settled()
  await reading[Symbol.asyncDispose]()
  assert.equal(reading.failure, undefined)
})

test('a time that the stream has no longer is told from a database that is not there', async () => {
  const refused = (code: number, details: string): ScriptedChangeStream => {
    const stream = new ScriptedChangeStream()
    const cause = Object.assign(new Error(details), { code, details, metadata: undefined })
    stream.fails(undefined, new CalloutError('ERR_STORE_REFUSED', 'stream', { cause }))
    return stream
  }
  const ask = (database: ScriptedChangeStream): Promise<void> =>
    requireReadable({ database, stream: 'S', clock: new ManualClock() }, at(0), new AbortController().signal)
  await assert.rejects(ask(refused(11, 'Specified start_timestamp is too far in the past.')), ChangesExpired)
  await assert.rejects(ask(refused(11, 'out of range')), { code: 'ERR_STORE_REFUSED' })
})
