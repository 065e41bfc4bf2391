import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgePlans } from '../../../src/cli/doctor/store-checks.ts'
import { scannedWhole, type PlanNode } from '../../../src/spanner/query-plan.ts'

/**
 * Plans in the shape of https://cloud.google.com/spanner/docs/reference/rest/v1/ResultSetStats#PlanNode, with the operators of
 * https://cloud.google.com/spanner/docs/query-operators-leaf and the metadata of plans of Cloud Spanner (such as those that
 * github.com/apstndb/spannerplanviz has as test data).
 */
function plan(...nodes: readonly PlanNode[]): PlanNode[] {
  return nodes.map((node, index) => ({ index, ...node }))
}

function node(
  displayName: string,
  childLinks: NonNullable<PlanNode['childLinks']>,
  metadata: Readonly<Record<string, string>> = {},
) {
  const fields = Object.entries(metadata).map(([name, stringValue]) => [name, { stringValue }])
  return {
    kind: 'RELATIONAL',
    displayName,
    childLinks,
    metadata: { fields: Object.fromEntries(fields) },
  } satisfies PlanNode
}

function scan(scanType: string, target: string, metadata: Readonly<Record<string, string>> = {}) {
  return node('Scan', [], { scan_type: scanType, scan_target: target, scan_method: 'Row', ...metadata })
}

const CONDITION = {
  kind: 'SCALAR',
  displayName: 'Function',
  shortRepresentation: { description: '($TokenId = @t)' },
} as const

const SEEK = plan(
  node('Distributed Union', [{ childIndex: 1 }]),
  node('Filter Scan', [{ childIndex: 2 }, { childIndex: 3, type: 'Seek Condition' }], { seekable_key_size: '2' }),
  scan('IndexScan', 'DecisionsByToken'),
  CONDITION,
)

test('a scan under a seek condition reads a part of its index', () => {
  assert.deepEqual(scannedWhole(SEEK), [])
})

test('a seek into the index and another into the table for what the index lacks read parts of both', () => {
  const joined = plan(
    node('Distributed Cross Apply', [{ childIndex: 1 }, { childIndex: 5, type: 'Map' }]),
    node('Create Batch', [{ childIndex: 2 }]),
    node('Filter Scan', [{ childIndex: 3 }, { childIndex: 4, type: 'Seek Condition' }]),
    scan('IndexScan', 'DecisionsByToken'),
    CONDITION,
    node('Cross Apply', [{ childIndex: 6 }, { childIndex: 7, type: 'Map' }]),
    scan('BatchScan', '$v2'),
    node('Filter Scan', [{ childIndex: 8 }, { childIndex: 9, type: 'Seek Condition' }]),
    scan('TableScan', 'Decisions'),
    CONDITION,
  )
  assert.deepEqual(scannedWhole(joined), [])
})

test('a scan whose condition is looked at row by row reads all of its table', () => {
  const residual = plan(
    node('Filter Scan', [{ childIndex: 1 }, { childIndex: 2, type: 'Residual Condition' }], { seekable_key_size: '0' }),
    scan('TableScan', 'Decisions'),
    CONDITION,
  )
  assert.deepEqual(scannedWhole(residual), ['Decisions'])
})

test('a scan that says that it is a full one reads all of its index', () => {
  assert.deepEqual(scannedWhole(plan(scan('IndexScan', 'DecisionsByToken', { 'Full scan': 'true' }))), [
    'DecisionsByToken',
  ])
})

test('a scan that has its seek condition itself reads a part', () => {
  const own = { ...scan('IndexScan', 'DecisionsByToken'), childLinks: [{ childIndex: 1, type: 'Seek Condition' }] }
  assert.deepEqual(scannedWhole(plan(own, CONDITION)), [])
})

test('doctor is content when every statement seeks, and else warns of each that does not, or shows nothing', () => {
  assert.deepEqual(
    judgePlans([
      { name: 'a', nodes: SEEK },
      { name: 'b', nodes: SEEK },
    ]),
    [{ status: 'ok', detail: '2 statements seek by their index' }],
  )
  const findings = judgePlans([
    { name: 'a', nodes: SEEK },
    { name: 'b', nodes: plan(scan('TableScan', 'Decisions', { 'Full scan': 'true' })) },
    { name: 'c', nodes: [] },
    // What the emulator answers.
    { name: 'd', nodes: plan({ displayName: 'No query plan' }) },
  ])
  assert.deepEqual(
    findings.map(({ status, detail }) => `${status} ${detail}`),
    ['warn b: Spanner would read all of Decisions', 'warn c: Spanner shows no plan', 'warn d: Spanner shows no plan'],
  )
})
