import { expressRows } from '../core/express-rows.ts'
import { diffLines, type DiffLine } from '../core/line-diff.ts'
import { nameOfRow, type UnsignedRow } from '../core/policy-row.ts'
import { unsigned } from '../core/same-row.ts'
import { sha256 } from '../documents/digest.ts'
import type { ReadDocument } from '../documents/read-documents.ts'
import { fromDocument } from '../documents/written-document.ts'
import { systemClock as clock } from '../service/clock.ts'
import { scanPolicy } from '../service/policy-scan.ts'
import type { PolicyAdmin } from '../service/ports.ts'
import { loadDocuments } from './document-input.ts'
import { EXIT, type CliIo } from './io.ts'
import { yamlText } from './output.ts'
import { policyAdminOf } from './policy-access.ts'
import { reportProgress } from './progress.ts'
import { openKnownStore } from './store.ts'
import { visible } from './visible.ts'

export interface DiffOptions {
  readonly scope?: string
}

/** Lines that are the same, around those that are not. */
const CONTEXT_LINES = 3

/**
 * `callout grants diff`: each document against the rows that are there for it, as unified text of YAML. A row that a document asks for is
 * compared whoever's it is; rows of its name that it does not ask for are lines that would go. Returns 10 when anything differs.
 */
export async function diffGrants(
  configFile: string,
  names: readonly string[],
  { scope }: DiffOptions,
  io: CliIo,
): Promise<number> {
  const documents = await loadDocuments(names, scope, io)
  await using store = await openKnownStore(configFile, io)
  const progress = reportProgress(io, clock, 'rows looked at')
  const stored = await rowsOfDocuments(policyAdminOf(store), documents, progress)
  let differs = false
  for (const [index, read] of documents.entries()) {
    const before = stored[index] ?? []
    const lines = diffLines(linesOf(before), linesOf(read.rows.map(({ wanted }) => wanted)))
    if (lines.every(({ sign }) => sign === ' ')) continue
    differs = true
    const from = before.length === 0 ? '/dev/null' : 'database'
    io.stdout.write(`--- ${from}\n+++ ${visible(read.at)}\n${hunks(lines)}`)
  }
  return differs ? EXIT.changes : EXIT.ok
}

/** For each document the rows that it asks for, and the others of its name, as they are in the database. */
async function rowsOfDocuments(
  admin: PolicyAdmin,
  documents: readonly ReadDocument[],
  progress: (rows: number) => void,
): Promise<UnsignedRow[][]> {
  const wanted = new Map<string, number>()
  const named = new Map<string, number>()
  for (const [index, { document, rows }] of documents.entries()) {
    for (const row of rows) wanted.set(nameOfRow(row.wanted), index)
    const { name, id, scope } = document.metadata
    const [first] = rows
    if (name !== undefined && id === undefined && first !== undefined)
      named.set(groupOf(first.wanted.kind, scope, name), index)
  }
  const stored: UnsignedRow[][] = documents.map(() => [])
  let looked = 0
  for await (const page of scanPolicy(admin)) {
    for (const row of page) {
      const { name, scope } = row.row
      const index =
        wanted.get(nameOfRow(row)) ?? (name === undefined ? undefined : named.get(groupOf(row.kind, scope, name)))
      if (index !== undefined) stored[index]?.push(unsigned(row))
    }
    progress((looked += page.length))
  }
  return stored
}

function groupOf(kind: string, scope: string | undefined, name: string): string {
  return JSON.stringify([kind, scope ?? '', name])
}

/** Both sides are written by the same hand, so that only what they say can differ. */
function linesOf(rows: readonly UnsignedRow[]): string[] {
  const sorted = rows.toSorted((a, b) => (nameOfRow(a) < nameOfRow(b) ? -1 : 1))
  const { documents, refused } = expressRows(sorted, sha256)
  const lines = documents.flatMap((document) => yamlText(fromDocument(document)).trimEnd().split('\n'))
  return [...lines, ...refused.map(({ row, message }) => `# ${nameOfRow(row)}: ${message}`)]
}

function hunks(lines: readonly DiffLine[]): string {
  const shown = lines.map((_, index) =>
    lines.slice(Math.max(0, index - CONTEXT_LINES), index + CONTEXT_LINES + 1).some(({ sign }) => sign !== ' '),
  )
  let text = ''
  let [before, after] = [1, 1]
  for (const [index, { sign, text: line }] of lines.entries()) {
    if (shown[index] === true) {
      if (shown[index - 1] !== true) text += `@@ -${before} +${after} @@\n`
      text += `${sign}${visible(line)}\n`
    }
    if (sign !== '+') before += 1
    if (sign !== '-') after += 1
  }
  return text
}
