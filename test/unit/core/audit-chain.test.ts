import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { CHAIN_START, contentHash, createAuditChain } from '../../../src/core/audit-chain.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const aChain = () => createAuditChain('c1', sha256)

test('each row names the one before it, the first one none', () => {
  const chain = aChain()
  const first = chain.seal(contentHash({ DecisionId: 'a' }, sha256))
  const second = chain.seal(contentHash({ DecisionId: 'b' }, sha256))
  assert.deepEqual([first.seq, first.previousHash], [1, CHAIN_START])
  assert.deepEqual([second.seq, second.previousHash], [2, first.rowHash])
})

test('the hash is that of the canonical JSON of the columns, and of the place in the chain', () => {
  const link = aChain().seal(contentHash({ Outcome: 'ALLOW', DecisionId: 'a' }, sha256))
  const content = sha256('{"DecisionId":"a","Outcome":"ALLOW"}')
  assert.equal(link.rowHash, sha256(`c1\n1\n${CHAIN_START}\n${content}\n`))
})

test('what the database adds and how a row came there changes no hash; everything else does', () => {
  const stored = { DecisionId: 'a', ChainId: 'c1', ChainSeq: 1, PreviousHash: CHAIN_START, RowHash: 'x' }
  const content = contentHash({ DecisionId: 'a' }, sha256)
  assert.equal(contentHash({ ...stored, CommittedAt: 'x', Spooled: true }, sha256), content)
  assert.notEqual(contentHash({ ...stored, RepeatCount: 1 }, sha256), content)
})

test('the head is the last row before the first one whose fate is open', () => {
  const chain = aChain()
  const rows = ['a', 'b', 'c'].map((id) => chain.seal(contentHash({ DecisionId: id }, sha256)))
  chain.settle(1, true)
  chain.settle(3, true)
  assert.deepEqual(chain.takeHead(), { chainId: 'c1', seq: 1, rowHash: rows[0]?.rowHash, lost: [] })
  assert.equal(chain.takeHead(), undefined)
  chain.settle(2, true)
  assert.deepEqual(chain.takeHead(), { chainId: 'c1', seq: 3, rowHash: rows[2]?.rowHash, lost: [] })
})

test('rows that nobody confirmed are told once, as ranges', () => {
  const chain = aChain()
  const links = [1, 2, 3, 4, 5, 6].map((seq) => chain.seal(contentHash({ seq }, sha256)))
  for (const { seq } of links) chain.settle(seq, seq === 1 || seq === 4)
  assert.deepEqual(chain.takeHead()?.lost, [
    { from: 2, to: 3, previousHash: links[0]?.rowHash, rowHash: links[2]?.rowHash },
    { from: 5, to: 6, previousHash: links[3]?.rowHash, rowHash: links[5]?.rowHash },
  ])
  chain.seal(contentHash({ seq: 7 }, sha256))
  chain.settle(7, true)
  assert.deepEqual(chain.takeHead()?.lost, [])
})
