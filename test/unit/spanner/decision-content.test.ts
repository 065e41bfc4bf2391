import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { contentHash } from '../../../src/core/audit-chain.ts'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import { writtenContent } from '../../../src/spanner/decision-content.ts'
import { decisionRecord } from '../../../src/spanner/decision-record.ts'
import { encodeDecision } from '../../../src/spanner/decision-row.ts'
import { DECISION_COLUMNS } from '../../../src/spanner/schema.ts'
import { sha256 } from '../../../src/spanner/sha256.ts'
import { aDeny, anAllow, anEntry } from '../../contract/stored-rows.ts'

const aText = fc.string({ unit: 'binary', maxLength: 40 })

test('what a row says, as it is written, is its canonical JSON as it will be read, whatever a client sent', () => {
  fc.assert(
    fc.property(
      fc.record({
        outcome: fc.boolean(),
        name: aText,
        groups: fc.array(aText, { maxLength: 3 }),
        attributes: fc.dictionary(aText, aText, { maxKeys: 3 }),
        detail: aText,
        subjects: fc.array(aText, { maxLength: 3 }),
        atMs: fc.double({ min: 0, max: 4e12, noNaN: true }),
        expiresAt: fc.integer({ min: -1e12, max: 1e12 }),
        stages: fc.dictionary(fc.constantFrom('wait', 'grants', 'sign'), fc.nat()),
      }),
      ({ outcome, name, groups, attributes, detail, subjects, atMs, expiresAt, stages }) => {
        const permissions = { publish: { allow: subjects, deny: [] }, subscribe: { allow: [], deny: ['>'] } }
        const decision = outcome
          ? anAllow({ permissions, decidedAtMs: atMs })
          : aDeny({ detail, decidedAtMs: Math.floor(atMs) })
        const entry = anEntry(decision, {
          displayName: name,
          groups,
          attributes,
          stageMicros: stages,
          token: { issuer: name, expiresAt },
          repeats: { count: groups.length, sinceMs: Math.floor(atMs) },
        })
        const row = encodeDecision(entry)
        const content = writtenContent(row)
        const record = decisionRecord(DECISION_COLUMNS, row)
        assert.equal(sha256(content), contentHash(record, sha256))
        const { CommittedAt: _, ...said } = record
        assert.equal(content, canonicalJson(said))
      },
    ),
  )
})
