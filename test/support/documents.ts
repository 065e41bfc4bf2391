import assert from 'node:assert/strict'
import type { UnsignedRow, UnsignedTables } from '../../src/core/policy-row.ts'
import { sha256 } from '../../src/documents/digest.ts'
import { readDocuments, type DocumentsReading } from '../../src/documents/read-documents.ts'

/** Reads one file of documents. */
export function reading(text: string, scope?: string): DocumentsReading {
  return readDocuments([{ name: 'f.yaml', text }], { digest: sha256, ...(scope === undefined ? {} : { scope }) })
}

/** The rows of documents that are right. */
export function rowsOf(text: string, scope?: string): UnsignedRow[] {
  const read = reading(text, scope)
  if ('problems' in read) assert.fail(JSON.stringify(read.problems))
  return read.documents.flatMap(({ rows }) => rows.map(({ wanted }) => wanted))
}

/** The problems of documents, a line each. */
export function problemsOf(text: string, scope?: string): string[] {
  const read = reading(text, scope)
  return 'problems' in read ? read.problems.map(({ path, message }) => `${path}: ${message}`) : []
}

/** A grant document whose spec has these lines besides principals and account. */
export function grantDocument(spec: string, metadata = 'name: orders'): string {
  return `---
apiVersion: callout.nats/v1
kind: Grant
metadata: { ${metadata} }
spec:
  principals: [user:corp:alice]
  account: APP
${spec.replaceAll(/^/gm, '  ')}
`
}

/** The first row, which has to be a grant. */
export function firstGrant(rows: readonly UnsignedRow[]): UnsignedTables['grant'] {
  const [first] = rows
  return first?.kind === 'grant' ? first.row : assert.fail('no grant')
}
