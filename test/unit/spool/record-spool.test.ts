import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { FileSpool } from '../../../src/spool/record-spool.ts'
import { ManualClock } from '../../support/manual-clock.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callout-spool-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const file = (): string => join(folder, 'decisions.spool')

function open(change: { bytesMax?: number; ageMaxMs?: number; clock?: ManualClock } = {}): Promise<FileSpool> {
  return FileSpool.open({ folder, bytesMax: 100_000, ageMaxMs: 60_000, clock: new ManualClock(), ...change })
}

/** What the next process finds. */
async function drained(spool: FileSpool, batchMax = 2): Promise<string[]> {
  const records: string[] = []
  await spool.drain(async (batch) => {
    assert.ok(batch.length <= batchMax)
    records.push(...batch)
  }, batchMax)
  return records
}

async function found(): Promise<string[]> {
  await using spool = await open()
  return await drained(spool)
}

async function left(...records: string[]): Promise<void> {
  await using spool = await open()
  for (const record of records) await spool.append([record])
}

suite('a spool', () => {
  test('hands out what was put into it, in order, also to the next process, once', async () => {
    await left('a', '{"b":"é"}', 'c')
    assert.deepEqual(await found(), ['a', '{"b":"é"}', 'c'])
    assert.deepEqual(await found(), [])
    assert.equal((await readFile(file())).length, 0)
  })

  test('takes records while it is drained, and hands them out last', async () => {
    await using spool = await open()
    await spool.append(['a', 'b', 'c'])
    const records: string[] = []
    await spool.drain(async (batch) => {
      if (records.length === 0) await spool.append(['d'])
      records.push(...batch)
    }, 2)
    assert.deepEqual(records, ['a', 'b', 'c', 'd'])
    assert.equal(spool.pending, 0)
  })

  test('keeps what could not be taken, and goes on there', async () => {
    await using spool = await open()
    await spool.append(['a', 'b', 'c'])
    let batches = 0
    const failing = spool.drain(async () => {
      batches += 1
      if (batches === 2) throw new Error('away')
    }, 1)
    await assert.rejects(failing, /away/)
    assert.equal(spool.pending, 2)
    assert.deepEqual(await drained(spool), ['b', 'c'])
  })

  test('that was cut off at any byte holds the records that were whole', async () => {
    await left('first', 'second', 'third')
    const whole = await readFile(file())
    const ends = [...whole.entries()].filter(([, byte]) => byte === 10).map(([at]) => at + 1)
    for (let length = 0; length <= whole.length; length += 1) {
      await writeFile(file(), whole)
      await truncate(file(), length)
      const count = ends.filter((end) => end <= length).length
      assert.deepEqual(await found(), ['first', 'second', 'third'].slice(0, count), `${length} bytes`)
    }
  })

  test('goes on behind a torn end', async () => {
    await left('first')
    await appendFile(file(), 'torn')
    await left('second')
    assert.deepEqual(await found(), ['first', 'second'])
  })

  test('in which anything but the end was changed is refused and left alone', async () => {
    await left('first', 'second', 'third')
    const whole = await readFile(file())
    const end = whole.lastIndexOf(10, whole.length - 2)
    for (let at = 0; at < end; at += 7) {
      const changed = Buffer.from(whole)
      changed[at] = (changed[at] ?? 0) ^ 1
      await writeFile(file(), changed)
      await assert.rejects(open(), { code: 'ERR_CONFIG_INVALID' }, `byte ${at}`)
      assert.deepEqual(await readFile(file()), changed)
    }
    const lines = whole.toString().split('\n')
    await writeFile(file(), [lines[1], lines[0], lines[2], ''].join('\n'))
    await assert.rejects(open(), { code: 'ERR_CONFIG_INVALID' })
  })

  test('that is full takes no more, and is empty again after a drain', async () => {
    await using spool = await open({ bytesMax: 200 })
    await spool.append(['x'.repeat(100)])
    await assert.rejects(spool.append(['y'.repeat(100)]), { code: 'ERR_AUDIT_UNAVAILABLE', message: /full/ })
    assert.deepEqual(await drained(spool), ['x'.repeat(100)])
    await spool.append(['y'.repeat(100)])
    assert.deepEqual(await drained(spool), ['y'.repeat(100)])
  })

  test('has room again for as much as was handed out, though never empty, and stays within its size', async () => {
    await using spool = await open({ bytesMax: 600 })
    await spool.append(['0', '1', '2'])
    const records: string[] = []
    await spool.drain(async ([record = '']) => {
      records.push(record)
      assert.ok((await readFile(file())).length <= 600)
      if (records.length < 50) await spool.append([`${records.length + 2}`])
    }, 1)
    assert.deepEqual(
      records,
      Array.from({ length: 52 }, (_, index) => `${index}`),
    )
  })

  test('whose place was made free keeps for the next process what was not handed out, and what came since', async () => {
    {
      await using spool = await open({ bytesMax: 600 })
      await spool.append(['a', 'b', 'c', 'd', 'e', 'f'])
      const some = spool.drain(async ([record]) => {
        if (record === 'e') throw new Error('away')
      }, 1)
      await assert.rejects(some, /away/)
      await spool.append(['g', 'h', 'i'])
      assert.equal(spool.pending, 5)
    }
    assert.deepEqual(await found(), ['e', 'f', 'g', 'h', 'i'])
  })

  test('is not kept from starting by a copy that a killed process left unfinished', async () => {
    await left('a')
    await writeFile(`${file()}.next`, 'torn')
    assert.deepEqual(await found(), ['a'])
  })

  test('whose oldest record has waited too long takes no more', async () => {
    const clock = new ManualClock()
    await using spool = await open({ clock, ageMaxMs: 1000 })
    await spool.append(['a'])
    await clock.advance(1000)
    await spool.append(['b'])
    await clock.advance(1)
    await assert.rejects(spool.append(['c']), { code: 'ERR_AUDIT_UNAVAILABLE', message: /waited too long/ })
    assert.deepEqual(await drained(spool), ['a', 'b'])
    await spool.append(['c'])
  })

  test('belongs to one process at a time', async () => {
    {
      await using _ = await open()
      await assert.rejects(open(), { code: 'ERR_CONFIG_INVALID', message: /another process uses the spool/ })
    }
    await (await open())[Symbol.asyncDispose]()
  })

  test('takes no record of two lines', async () => {
    await using spool = await open()
    await assert.rejects(spool.append(['a\nb']), TypeError)
  })

  test('where no folder can be made is wrong configuration', async () => {
    await writeFile(join(folder, 'taken'), '')
    const opening = FileSpool.open({
      folder: join(folder, 'taken', 'spool'),
      bytesMax: 1,
      ageMaxMs: 1,
      clock: new ManualClock(),
    })
    await assert.rejects(opening, { code: 'ERR_CONFIG_INVALID' })
  })
})
