import { Document, visit } from 'yaml'
import { csvLine } from './csv.ts'
import type { CliIo } from './io.ts'
import { openTable } from './table.ts'
import { hasHidden, withHiddenAs } from './visible.ts'

/** What `--output` takes: `table` for people, the others for programs. */
export const OUTPUT_FORMATS = ['table', 'json', 'jsonl', 'yaml', 'csv'] as const
export type OutputFormat = (typeof OUTPUT_FORMATS)[number]
/** Those that can be written while the records still come. */
export const STREAM_FORMATS = ['table', 'jsonl', 'csv'] as const satisfies readonly OutputFormat[]
export type StreamFormat = (typeof STREAM_FORMATS)[number]

/** What `--format` of an export takes: names of the columns, or of a schema that collectors know. */
export const EXPORT_FORMATS = ['jsonl', 'csv', 'ocsf', 'ecs'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]
/** What `--kind` of an export takes. */
export const EXPORT_KINDS = ['decisions', 'grants'] as const
export type ExportKind = (typeof EXPORT_KINDS)[number]

/** A column of a table and of CSV. */
export interface Column<Item> {
  readonly heading: string
  /** Empty where the record has nothing to say. */
  readonly cell: (record: Item) => string
}

/** What a command prints, whatever the format. */
export interface Output<Item extends object> {
  /** Of `table` and `csv`. */
  readonly columns: readonly Column<Item>[]
  /** In the form for programs: names stay, times are RFC 3339. A line each in `jsonl`, an entry each in `json` and `yaml`. */
  readonly records: readonly Item[]
  /** What `json` and `yaml` show instead, where the records are a part of something. */
  readonly document?: object
  /** What people are shown instead of a table. */
  readonly text?: string
}

/**
 * Writes the data of a command to standard output. Whatever the records hold, no format writes a character that a terminal obeys,
 * hides or turns around; `json`, `jsonl` and `yaml` write it as an escape that reads back as what it was.
 */
export function writeOutput<Item extends object>(io: CliIo, format: OutputFormat, output: Output<Item>): void {
  const { columns, records, document = records, text } = output
  switch (format) {
    case 'json':
      io.stdout.write(`${json(document, 2)}\n`)
      return
    case 'yaml':
      io.stdout.write(yamlText(document))
      return
    case 'table':
    case 'jsonl':
    case 'csv':
      if (format === 'table' && text !== undefined) io.stdout.write(text)
      else openOutput(io, format, columns)(records)
  }
}

/** Writes records as they come, safe as `writeOutput` does. Headings come with the first call. */
export function openOutput<Item extends object>(
  io: CliIo,
  format: StreamFormat,
  columns: readonly Column<Item>[],
): (records: readonly Item[]) => void {
  const cellsOf = (record: Item): string[] => columns.map(({ cell }) => cell(record))
  const headings = columns.map(({ heading }) => heading)
  if (format === 'jsonl')
    return (records) => {
      for (const record of records) io.stdout.write(jsonLine(record))
    }
  const write = format === 'table' ? openTable(io, headings) : openCsv(io, headings)
  return (records) => write(records.map(cellsOf))
}

function openCsv(io: CliIo, headings: readonly string[]): (rows: readonly (readonly string[])[]) => void {
  let heading = [headings]
  return (rows) => {
    for (const cells of [...heading, ...rows]) io.stdout.write(csvLine(cells))
    heading = []
  }
}

/** A line of JSON Lines, safe as `writeOutput` writes it. */
export function jsonLine(record: object): string {
  return `${json(record)}\n`
}

/** A line break in this text is one between values: within a string it is an escape already. */
function json(value: unknown, indent?: number): string {
  return withHiddenAs(JSON.stringify(value, undefined, indent), (_, codeUnits) => codeUnits.map(unicodeEscape).join(''))
}

/** YAML that shows what it holds; see `writeOutput`. */
export function yamlText(value: unknown): string {
  const document = new Document(value, { aliasDuplicateObjects: false })
  visit(document, {
    Scalar(_, scalar) {
      if (typeof scalar.value === 'string' && hasHidden(scalar.value)) scalar.type = 'QUOTE_DOUBLE'
    },
  })
  const text = document.toString({ lineWidth: 0, doubleQuotedMinMultiLineLength: Number.MAX_SAFE_INTEGER })
  return withHiddenAs(text, (codePoint) => `\\U${codePoint.toString(16).padStart(8, '0')}`)
}

function unicodeEscape(codeUnit: number): string {
  return `\\u${codeUnit.toString(16).padStart(4, '0')}`
}
