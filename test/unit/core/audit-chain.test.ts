import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { CHAIN_START, chainColumns, createAuditChain, rowHash } from '../../../src/core/audit-chain.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const aChain = () => createAuditChain('c1', sha256)

test('each row names the one before it, the first one none', () => {
  const chain = aChain()
  const first = chain.seal({ DecisionId: 'a' })
  const second = chain.seal({ DecisionId: 'b' })
  assert.deepEqual([first.seq, first.previousHash], [1, CHAIN_START])
  assert.deepEqual([second.seq, second.previousHash], [2, first.rowHash])
})

test('the hash is that of the canonical JSON of the columns, place in the chain included', () => {
  const link = aChain().seal({ Outcome: 'ALLOW', DecisionId: 'a' })
  assert.equal(
    link.rowHash,
    sha256(`{"ChainId":"c1","ChainSeq":1,"DecisionId":"a","Outcome":"ALLOW","PreviousHash":"${CHAIN_START}"}`),
  )
})

test('what the database adds and how a row came there changes no hash; everything else does', () => {
  const link = aChain().seal({ DecisionId: 'a' })
  const stored = { DecisionId: 'a', ...chainColumns(link) }
  assert.equal(rowHash({ ...stored, CommittedAt: 'x', RowHash: 'y', Spooled: true }, sha256), link.rowHash)
  assert.notEqual(rowHash({ ...stored, RepeatCount: 1 }, sha256), link.rowHash)
  assert.notEqual(rowHash({ ...stored, ChainSeq: 2 }, sha256), link.rowHash)
})

test('the head is the last row before the first one whose fate is open', () => {
  const chain = aChain()
  const rows = ['a', 'b', 'c'].map((id) => chain.seal({ DecisionId: id }))
  chain.settle(1, true)
  chain.settle(3, true)
  assert.deepEqual(chain.takeHead(), { chainId: 'c1', seq: 1, rowHash: rows[0]?.rowHash, lost: [] })
  assert.equal(chain.takeHead(), undefined)
  chain.settle(2, true)
  assert.deepEqual(chain.takeHead(), { chainId: 'c1', seq: 3, rowHash: rows[2]?.rowHash, lost: [] })
})

test('rows that nobody confirmed are told once, as ranges', () => {
  const chain = aChain()
  for (let seq = 1; seq <= 6; seq += 1) {
    chain.seal({ seq })
    chain.settle(seq, seq === 1 || seq === 4)
  }
  assert.deepEqual(chain.takeHead()?.lost, [
    { from: 2, to: 3 },
    { from: 5, to: 6 },
  ])
  chain.seal({ seq: 7 })
  chain.settle(7, true)
  assert.deepEqual(chain.takeHead()?.lost, [])
})

test('a row that failed in a batch and is stored alone is not lost', () => {
  const chain = aChain()
  chain.seal({ DecisionId: 'a' })
  chain.settle(1, false)
  chain.settle(1, true)
  assert.deepEqual(chain.takeHead()?.lost, [])
})
