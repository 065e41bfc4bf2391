import type { PolicyRow, UnsignedRow } from './policy-row.ts'

/** Whether two rows say the same, whoever wrote them and why. */
export function sameRow(a: UnsignedRow, b: UnsignedRow): boolean {
  return a.kind === b.kind && writtenRow(a) === writtenRow(b)
}

/** One text for all rows that say the same: fields in order, what is not there left out, labels sorted. */
export function writtenRow({ kind, row }: UnsignedRow): string {
  return `${kind} ${canonicalJson(withoutOrigin(row))}`
}

/** The row without who wrote it and why. */
export function unsigned(policyRow: UnsignedRow | PolicyRow): UnsignedRow {
  return { kind: policyRow.kind, row: withoutOrigin(policyRow.row) } as UnsignedRow
}

function withoutOrigin(row: UnsignedRow['row'] | PolicyRow['row']): object {
  const { reason: _reason, createdBy: _createdBy, createdAt: _createdAt, ...rest } = row as PolicyRow['row']
  const { labels, ...others } = rest
  return labels === undefined || labels.length === 0 ? others : { ...others, labels: labels.toSorted() }
}

/** JSON whose members are sorted, so that the same value is the same text wherever it was kept. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}
