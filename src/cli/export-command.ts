import { expressRows } from '../core/express-rows.ts'
import { parsePrincipal } from '../core/principal.ts'
import type { PolicyRow, UnsignedRow } from '../core/policy-row.ts'
import { unsigned } from '../core/same-row.ts'
import { sha256 } from '../documents/digest.ts'
import { fromDocument } from '../documents/written-document.ts'
import { systemClock as clock } from '../service/clock.ts'
import { scanPolicy } from '../service/policy-scan.ts'
import { EXIT, usageFailure, type CliIo } from './io.ts'
import { writeOutput, yamlText } from './output.ts'
import { policyAdminOf } from './policy-access.ts'
import { reportProgress } from './progress.ts'
import { openKnownStore } from './store.ts'
import { visible } from './visible.ts'
import { writtenRow } from './written-row.ts'

export interface ExportOptions {
  readonly principal?: string
  readonly account?: string
  readonly scope?: string
  readonly output: 'yaml' | 'json'
}

/** What is held at once; a table that has more is exported by scope, principal or account. */
const ROWS_MAX = 250_000

/**
 * `callout grants export`: rows as documents of which `plan` makes the same rows. Grants, roles, bindings and locks; with an account
 * grants alone, with a principal what names it. Returns 1 when a row is such that no document can stand for it.
 */
export async function exportGrants(configFile: string, options: ExportOptions, io: CliIo): Promise<number> {
  const { principal, output } = options
  const parsed = principal === undefined ? undefined : parsePrincipal(principal)
  if (parsed !== undefined && 'problem' in parsed) throw usageFailure(`--principal: ${parsed.problem}`)
  await using store = await openKnownStore(configFile, io)
  const progress = reportProgress(io, clock, 'rows looked at')
  const rows: UnsignedRow[] = []
  let looked = 0
  for await (const page of scanPolicy(policyAdminOf(store))) {
    rows.push(...page.filter((row) => isAsked(row, options)).map(unsigned))
    progress((looked += page.length))
    if (rows.length > ROWS_MAX)
      throw usageFailure(`more than ${ROWS_MAX} rows; narrow with --scope, --principal or --account`)
  }
  const { documents, refused } = expressRows(rows, sha256)
  if (output === 'json') writeOutput(io, output, { columns: [], records: documents.map(fromDocument) })
  else for (const document of documents) io.stdout.write(`---\n${yamlText(fromDocument(document))}`)
  for (const { row, message } of refused)
    io.stderr.write(`callout: ${visible(`${writtenRow(row)} cannot be written as a document: ${message}`)}\n`)
  return refused.length === 0 ? EXIT.ok : EXIT.failure
}

function isAsked(policyRow: PolicyRow, { principal, account, scope }: ExportOptions): boolean {
  const { kind, row } = policyRow
  if (scope !== undefined && row.scope !== scope) return false
  if (account !== undefined && !(kind === 'grant' && row.account === account)) return false
  if (principal === undefined) return true
  if (kind === 'grant') return row.principal === principal
  if (kind === 'binding') return row.member === principal || row.role === principal
  return kind === 'lock' ? row.target === principal : row.role === principal
}
