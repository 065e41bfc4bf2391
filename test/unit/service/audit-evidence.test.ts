import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { createAuditChain, contentHash } from '../../../src/core/audit-chain.ts'
import { chainedRow } from '../../../src/service/audit-evidence.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

test('a row whose JSON somebody made into no text at all was edited, and keeps no other row from being verified', () => {
  const content = { DecisionId: 'a', Attributes: { team: 'blue' } }
  const { chainId, seq, previousHash, rowHash } = createAuditChain('c1', sha256).seal(contentHash(content, sha256))
  const stored = { ...content, ChainId: chainId, ChainSeq: seq, PreviousHash: previousHash, RowHash: rowHash }
  assert.equal(chainedRow(stored, sha256).computedHash, rowHash)
  assert.notEqual(chainedRow({ ...stored, Attributes: { team: '\ud800' } }, sha256).computedHash, rowHash)
})
