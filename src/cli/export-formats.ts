import { ecsOfDecision } from '../core/ecs.ts'
import { ocsfOfDecision } from '../core/ocsf-decision.ts'
import { sha256 } from '../documents/digest.ts'
import type { DecisionRecord } from '../service/decision-search.ts'
import { ALL_COLUMNS } from './audit-output.ts'
import { csvLine } from './csv.ts'
import { jsonLine, type Column, type ExportFormat } from './output.ts'

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

function csvWriter<Item>(columns: readonly Column<Item>[]): ExportWriter<Item> {
  return {
    heading: csvLine(columns.map(({ heading }) => heading)),
    textOf: (item) => csvLine(columns.map(({ cell }) => cell(item))),
  }
}
