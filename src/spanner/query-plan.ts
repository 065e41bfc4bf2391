import type { protos } from '@google-cloud/spanner-api'

/** As Spanner says how it would run a statement: https://cloud.google.com/spanner/docs/reference/rest/v1/ResultSetStats#PlanNode */
export type PlanNode = protos.google.spanner.v1.IPlanNode

/** Those that read stored rows; a `BatchScan` reads rows of the query itself. */
const STORED = new Set(['TableScan', 'IndexScan'])
const SEEK = 'Seek Condition'

/** Without one, a plan says nothing of how rows are found; the emulator makes only such plans. */
export function readsStoredRows(nodes: readonly PlanNode[]): boolean {
  return nodes.some(isStoredScan)
}

/**
 * The tables and indexes of a plan that are read from end to end: a scan that says so itself, or that no seek condition bounds.
 * A condition on what was read already (`Residual Condition`) bounds nothing.
 * https://cloud.google.com/spanner/docs/query-operators-leaf
 */
export function scannedWhole(nodes: readonly PlanNode[]): readonly string[] {
  const sought = new Set(nodes.filter(hasSeek).flatMap((node) => [node, ...childrenOf(node, nodes)]))
  return nodes
    .filter(isStoredScan)
    .filter((node) => metadataOf(node, 'Full scan') === 'true' || !sought.has(node))
    .map((node) => metadataOf(node, 'scan_target'))
}

function isStoredScan(node: PlanNode): boolean {
  return STORED.has(metadataOf(node, 'scan_type'))
}

function hasSeek({ childLinks }: PlanNode): boolean {
  return childLinks?.some(({ type }) => type === SEEK) === true
}

function childrenOf({ childLinks }: PlanNode, nodes: readonly PlanNode[]): PlanNode[] {
  return (childLinks ?? []).flatMap(({ childIndex }) => nodes[childIndex ?? 0] ?? [])
}

function metadataOf({ metadata }: PlanNode, name: string): string {
  return metadata?.fields?.[name]?.stringValue ?? ''
}
