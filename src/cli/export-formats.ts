import { ecsOfChange, ecsOfDecision } from '../core/ecs.ts'
import { ocsfOfChange } from '../core/ocsf-change.ts'
import { ocsfOfDecision } from '../core/ocsf-decision.ts'
import { sha256 } from '../documents/digest.ts'
import type { DecisionRecord } from '../service/decision-search.ts'
import type { PlacedEntry } from '../service/history.ts'
import { ALL_COLUMNS } from './audit-output.ts'
import { csvLine } from './csv.ts'
import { jsonLine, type Column, type ExportFormat } from './output.ts'
import { SERVICE_VERSION } from './version.ts'

/** How records are written: each line is safe for a terminal, and a cell for a spreadsheet. */
export interface ExportWriter<Item> {
  /** Before the first record of a file. */
  readonly heading: string
  readonly textOf: (item: Item) => string
}

const OCSF_TOOLS = { epochMs: (time: string) => Date.parse(time), sha256 }

/** Of each decision a line, in OCSF two of an admission. */
export function decisionWriter(format: ExportFormat): ExportWriter<DecisionRecord> {
  return WRITERS[format]
}

const WRITERS: Readonly<Record<ExportFormat, ExportWriter<DecisionRecord>>> = {
  jsonl: { heading: '', textOf: jsonLine },
  csv: csvWriter(ALL_COLUMNS),
  ocsf: { heading: '', textOf: (record) => ocsfOfDecision(record, OCSF_TOOLS).map(jsonLine).join('') },
  ecs: { heading: '', textOf: (record) => jsonLine(ecsOfDecision(record)) },
}

/** Of each change of policy a line. */
export function changeWriter(format: ExportFormat): ExportWriter<PlacedEntry> {
  return CHANGE_WRITERS[format]
}

/** Every member of an entry. */
const CHANGE_COLUMNS: readonly Column<PlacedEntry>[] = (
  [
    'id',
    'committedAt',
    'transactionId',
    'editId',
    'change',
    'kind',
    'key',
    'principal',
    'source',
    'actor',
    'approvedBy',
    'reason',
    'before',
    'after',
  ] as const satisfies readonly (keyof PlacedEntry)[]
).map((name) => ({ heading: name, cell: (entry) => cellOf(entry[name]) }))

function cellOf(value: unknown): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const CHANGE_WRITERS: Readonly<Record<ExportFormat, ExportWriter<PlacedEntry>>> = {
  jsonl: { heading: '', textOf: jsonLine },
  csv: csvWriter(CHANGE_COLUMNS),
  ocsf: { heading: '', textOf: (entry) => jsonLine(ocsfOfChange(entry, OCSF_TOOLS.epochMs, SERVICE_VERSION)) },
  ecs: { heading: '', textOf: (entry) => jsonLine(ecsOfChange(entry, SERVICE_VERSION)) },
}

function csvWriter<Item>(columns: readonly Column<Item>[]): ExportWriter<Item> {
  return {
    heading: csvLine(columns.map(({ heading }) => heading)),
    textOf: (item) => csvLine(columns.map(({ cell }) => cell(item))),
  }
}
