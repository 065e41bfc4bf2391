import type { Config } from '../config/config.ts'
import { Linter, type Finding, type LintContext, type LintedRow } from '../core/lint.ts'
import { nameOfRow, POLICY_KINDS } from '../core/policy-row.ts'
import { systemClock as clock } from '../service/clock.ts'
import { scanPolicy } from '../service/policy-scan.ts'
import type { PolicyAdmin } from '../service/ports.ts'
import { loadConfig } from './configuration.ts'
import { loadDocuments } from './document-input.ts'
import { EXIT, usageFailure, type CliIo } from './io.ts'
import { writeOutput, type OutputFormat } from './output.ts'
import { policyAdminOf } from './policy-access.ts'
import { reportProgress } from './progress.ts'
import { openKnownStore } from './store.ts'

export interface LintOptions {
  readonly database?: boolean
  readonly output: OutputFormat
}

/** `callout grants lint`: returns 1 when a finding is an error, else 0. */
export async function lintGrants(
  configFile: string,
  names: readonly string[],
  { database, output }: LintOptions,
  io: CliIo,
): Promise<number> {
  if ((database === true) === names.length > 0) throw usageFailure('name documents, or use --database')
  const findings = database === true ? await lintDatabase(configFile, io) : await lintDocuments(configFile, names, io)
  writeOutput(io, output, {
    columns: [
      { heading: 'LEVEL', cell: ({ level }) => level },
      { heading: 'RULE', cell: ({ rule }) => rule },
      { heading: 'ROW', cell: ({ at }) => at },
      { heading: 'FIELD', cell: ({ field }) => field },
      { heading: 'MESSAGE', cell: ({ message }) => message },
    ],
    records: findings,
    ...(findings.length === 0 ? { text: 'nothing found\n' } : {}),
  })
  return findings.some(({ level }) => level === 'error') ? EXIT.failure : EXIT.ok
}

async function lintDocuments(configFile: string, names: readonly string[], io: CliIo): Promise<Finding[]> {
  const config = await loadConfig(configFile)
  const documents = await loadDocuments(names, undefined, io)
  const rows = documents.flatMap(({ at, rows: compiled }) =>
    compiled.map(({ wanted, path }) => ({ at: `${at}: ${path}`, row: wanted })),
  )
  const linter = new Linter(contextOf(config))
  return [...linter.see(rows), ...linter.finish()]
}

async function lintDatabase(configFile: string, io: CliIo): Promise<Finding[]> {
  await using store = await openKnownStore(configFile, io)
  const linter = new Linter(contextOf(store.config))
  const findings: Finding[] = []
  const progress = reportProgress(io, clock, 'rows looked at')
  let looked = 0
  for await (const rows of rowsByHolder(policyAdminOf(store))) {
    findings.push(...linter.see(rows))
    progress((looked += rows.length))
  }
  return [...findings, ...linter.finish()]
}

/** All grants of a principal together; rows come in the order of their keys, so no more than one principal is held. */
async function* rowsByHolder(admin: PolicyAdmin): AsyncGenerator<LintedRow[]> {
  for (const kind of POLICY_KINDS) {
    let held: LintedRow[] = []
    let holder: string | undefined
    for await (const page of scanPolicy(admin, [kind])) {
      for (const row of page) {
        const next = row.kind === 'grant' ? row.row.principal : undefined
        if (next === undefined || next !== holder) {
          if (held.length > 0) yield held
          held = []
        }
        holder = next
        held.push({ at: nameOfRow(row), row })
      }
    }
    if (held.length > 0) yield held
  }
}

function contextOf({ callout, issuers }: Config): LintContext {
  return {
    accounts: new Set(callout.accounts.keys()),
    inboxes: new Map(Array.from(callout.accounts, ([name, { inbox }]) => [name, inbox ?? 'none'])),
    issuers: new Map(issuers.map(({ id, identity }) => [id, new Set(Object.keys(identity.attributes))])),
    nowMs: clock.nowMs(),
  }
}
