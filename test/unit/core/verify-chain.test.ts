import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { contentHash, createAuditChain, linkHash, CHAIN_START } from '../../../src/core/audit-chain.ts'
import { formatCheckpoint, parseCheckpoint, type Checkpoint } from '../../../src/core/checkpoint.ts'
import {
  ChainVerifier,
  FINDINGS_MAX,
  type ChainedRow,
  type ChainVerifierOptions,
  type ChainVerdict,
  type WitnessedCheckpoint,
} from '../../../src/core/verify-chain.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const CHAIN_ID = '0193d5a0-0000-7000-8000-000000000000'
const BEGIN_MS = Date.parse('2026-01-01T00:00:00Z')
const ROW_MS = 1000

/** What is in the table: columns by name. */
type Stored = Record<string, unknown> & { ChainSeq: number; PreviousHash: string; RowHash: string; DecisionId: string }

interface Written {
  readonly rows: Stored[]
  readonly checkpoints: WitnessedCheckpoint[]
}

/** What a writer leaves behind: `durable[n]` says whether row n + 1 was stored, a checkpoint follows each of `signedAfter`. */
function written(durable: readonly boolean[], signedAfter: readonly number[]): Written {
  const chain = createAuditChain(CHAIN_ID, sha256)
  const rows: Stored[] = []
  const checkpoints: WitnessedCheckpoint[] = []
  for (const [index, isDurable] of durable.entries()) {
    const content = { DecisionId: `d${index + 1}`, DecidedAtMs: BEGIN_MS + index * ROW_MS, Outcome: 'ALLOW' }
    const { chainId, seq, previousHash, rowHash } = chain.seal(contentHash(content, sha256))
    const row = { ...content, ChainId: chainId, ChainSeq: seq, PreviousHash: previousHash, RowHash: rowHash }
    if (isDurable) rows.push(row)
    chain.settle(seq, isDurable)
    if (!signedAfter.includes(seq)) continue
    const head = chain.takeHead()
    assert.ok(head)
    const previousNote = checkpoints.at(-1)?.noteHash ?? CHAIN_START
    const checkpoint = { ...head, origin: 'test', atMs: BEGIN_MS + index * ROW_MS + 1, previousNote }
    checkpoints.push({ checkpoint, noteHash: sha256(JSON.stringify(checkpoint)) })
  }
  return { rows, checkpoints }
}

function read(rows: readonly Stored[]): ChainedRow[] {
  return rows.map((row) => {
    const place = { chainId: CHAIN_ID, seq: row.ChainSeq, previousHash: row.PreviousHash }
    return {
      ...place,
      rowHash: row.RowHash,
      computedHash: linkHash(place, contentHash(row, sha256), sha256),
      decisionId: row.DecisionId,
      decidedAtMs: Number(row['DecidedAtMs']),
    }
  })
}

function verified({ rows, checkpoints }: Written, from = 0, to = 1000): ChainVerdict {
  const window = {
    fromMs: BEGIN_MS + from * ROW_MS,
    toMs: BEGIN_MS + to * ROW_MS,
    nowMs: BEGIN_MS + 3_600_000,
  }
  return judged(rows, { checkpoints, isSigned: true, window })
}

/** Rows come by in the order of their hashes: in none. */
function judged(rows: readonly Stored[], options: Omit<ChainVerifierOptions, 'chainId' | 'startedMs'>): ChainVerdict {
  const verifier = new ChainVerifier({ chainId: CHAIN_ID, startedMs: BEGIN_MS, ...options })
  for (const row of read(rows).sort((a, b) => (a.rowHash < b.rowHash ? -1 : 1))) verifier.add(row)
  return verifier.finish()
}

const kinds = ({ findings }: ChainVerdict): string[] => [...new Set(findings.map(({ kind }) => kind))].sort()

const aChain = fc
  .array(
    fc.boolean().chain((rare) => (rare ? fc.boolean() : fc.constant(true))),
    { minLength: 3, maxLength: 30 },
  )
  .filter((durable) => durable.filter(Boolean).length >= 3)
  .chain((durable) =>
    fc.record({
      durable: fc.constant(durable),
      signedAfter: fc
        .uniqueArray(fc.integer({ min: 1, max: durable.length }))
        .map((places) => [...new Set([...places, durable.length])]),
    }),
  )

suite('a chain', () => {
  test('that nobody touched has no finding, whichever of its rows were lost, and in any window', () => {
    fc.assert(
      fc.property(aChain, fc.nat(30), fc.nat(30), ({ durable, signedAfter }, from, length) => {
        const chain = written(durable, signedAfter)
        assert.deepEqual(verified(chain).findings, [])
        assert.deepEqual(verified(chain, from, from + length).findings, [])
      }),
    )
  })

  test('of which anything was changed has one', () => {
    fc.assert(
      fc.property(aChain, fc.nat(), fc.nat(), fc.nat(5), ({ durable, signedAfter }, pick, other, how) => {
        const chain = written(durable, signedAfter)
        const rows = chain.rows.map((row) => ({ ...row }))
        const at = pick % rows.length
        const row = rows[at]
        const second = rows[(at + 1 + (other % (rows.length - 1))) % rows.length]
        assert.ok(row && second)
        if (how === 0) row['Outcome'] = 'DENY'
        if (how === 1) rows.splice(at, 1)
        if (how === 2) [row.ChainSeq, second.ChainSeq] = [second.ChainSeq, row.ChainSeq]
        if (how === 3) rows.push({ ...row, DecisionId: 'forged' })
        if (how === 4) rows.splice(at)
        if (how === 5) rewrite(rows, at)
        assert.notDeepEqual(verified({ ...chain, rows }).findings, [])
      }),
    )
  })

  test('of a hundred thousand rows, each second one gone, is checked in a moment', () => {
    const verifier = new ChainVerifier({
      chainId: CHAIN_ID,
      startedMs: BEGIN_MS,
      checkpoints: [],
      isSigned: false,
      window: { fromMs: BEGIN_MS, toMs: BEGIN_MS + 1e9, nowMs: BEGIN_MS + 1e9 },
    })
    const startedMs = performance.now()
    for (let count = 0; count < 50_000; count += 1) {
      const seq = ((count * 7919) % 50_000) * 2 + 1
      const place = { chainId: CHAIN_ID, seq, previousHash: `${seq - 1}`, rowHash: `${seq}`, computedHash: `${seq}` }
      verifier.add({
        ...place,
        previousHash: seq === 1 ? CHAIN_START : place.previousHash,
        decisionId: 'd',
        decidedAtMs: BEGIN_MS,
      })
    }
    assert.equal(verifier.finish().findings.length, FINDINGS_MAX)
    // Some 100 ms; with a look at every gap for each row it would be a minute.
    assert.ok(performance.now() - startedMs < 10_000)
  })

  test('that was rewritten from a row on does not end where it was signed for', () => {
    const chain = written([true, true, true, true], [2, 4])
    rewrite(chain.rows, 1)
    assert.deepEqual(kinds(verified(chain)), ['checkpoint_mismatch'])
  })

  test('of which the end was cut off is missed by the checkpoint', () => {
    const chain = written([true, true, true, true], [2, 4])
    chain.rows.splice(2)
    assert.deepEqual(kinds(verified(chain)), ['rows_missing'])
  })

  test('of which a checkpoint in between is gone says so', () => {
    const chain = written([true, true, true, true], [1, 2, 4])
    chain.checkpoints.splice(1, 1)
    assert.deepEqual(kinds(verified(chain)), ['checkpoint_missing'])
  })

  test('that nobody ever signed for was not made by a service', () => {
    assert.deepEqual(kinds(verified(written([true, true], []))), ['rows_unwitnessed'])
  })

  test('whose writer was killed has rows after the last checkpoint, which are counted', () => {
    const verdict = verified(written([true, true, true], [1]))
    assert.deepEqual([verdict.findings, verdict.uncovered], [[], 2])
  })

  test('that goes on long after its last checkpoint was gone on with by somebody else', () => {
    const chain = written([true, true], [1])
    const [first, last] = chain.rows
    assert.ok(first && last)
    last['DecidedAtMs'] = BEGIN_MS + 40_000
    const place = { chainId: CHAIN_ID, seq: 2, previousHash: first.RowHash }
    last.RowHash = linkHash(place, contentHash(last, sha256), sha256)
    assert.deepEqual(kinds(verified(chain)), ['rows_unwitnessed'])
  })

  test('is checked in its links alone where no key is used', () => {
    const { rows } = written([true, true, true], [])
    const window = { fromMs: BEGIN_MS, toMs: BEGIN_MS + 10_000, nowMs: BEGIN_MS + 3_600_000 }
    const options = { checkpoints: [], isSigned: false, window }
    assert.deepEqual(judged(rows, options), { findings: [], uncovered: 0 })
    assert.deepEqual(kinds(judged(rows.toSpliced(1, 1), options)), ['rows_missing'])
  })
})

/** What a careful forger does: all hashes from a row on made anew. */
function rewrite(rows: Stored[], at: number): void {
  let previous: string | undefined
  for (const row of rows.slice(at)) {
    if (previous === undefined) row['Outcome'] = 'DENY'
    else row.PreviousHash = previous
    const place = { chainId: CHAIN_ID, seq: row.ChainSeq, previousHash: row.PreviousHash }
    row.RowHash = linkHash(place, contentHash(row, sha256), sha256)
    previous = row.RowHash
  }
}

const isoTime = (epochMs: number): string => new Date(epochMs).toISOString()

test('the text of a checkpoint says all of it', () => {
  const hash = sha256('x')
  const checkpoint: Checkpoint = {
    origin: 'callout.example/audit',
    chainId: CHAIN_ID,
    seq: 1042,
    rowHash: hash,
    atMs: BEGIN_MS,
    previousNote: CHAIN_START,
    lost: [{ from: 17, to: 23, previousHash: hash, rowHash: CHAIN_START }],
  }
  const text = formatCheckpoint(checkpoint, isoTime)
  assert.equal(
    text,
    `callout.example/audit/${CHAIN_ID}\n1042\n${hash}\ntime 2026-01-01T00:00:00.000Z\nprevious ${CHAIN_START}\nlost 17-23 ${hash} ${CHAIN_START}\n`,
  )
  assert.deepEqual(parseCheckpoint(text, Date.parse), checkpoint)
})

test('a text that is not exactly a checkpoint is none', () => {
  const text = formatCheckpoint(
    { origin: 'o', chainId: CHAIN_ID, seq: 1, rowHash: CHAIN_START, atMs: 0, previousNote: CHAIN_START, lost: [] },
    isoTime,
  )
  for (const other of [
    '',
    text.slice(0, -1),
    `${text}\n`,
    `${text}lost 1-2\n`,
    text.replace('\n1\n', '\n01\n'),
    text.replace('1970-01-01', '1970-13-01'),
  ]) {
    assert.equal(parseCheckpoint(other, Date.parse), undefined, JSON.stringify(other))
  }
})
