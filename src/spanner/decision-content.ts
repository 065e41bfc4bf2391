import { NOT_CONTENT } from '../core/audit-chain.ts'
import { kindOf, nanosecondText, type DecisionKind } from './decision-record.ts'
import { DECISION_COLUMNS } from './schema.ts'
import { isNull } from './values.ts'
import type { Row, Value } from './values.ts'

/** Columns in the order of their names, as RFC 8785 has it, each with its place in a row and the text before its value. */
const MEMBERS = DECISION_COLUMNS.map((column, index) => ({ column, index, name: `"${column}":`, kind: kindOf(column) }))
  .filter(({ column }) => !NOT_CONTENT.has(column))
  .sort((a, b) => (a.column < b.column ? -1 : 1))

/**
 * What `contentHash` hashes of a row that `encodeDecision` has made: `canonicalJson` of its `decisionRecord`, made in a tenth of the time,
 * since every decision waits for it. JSON columns have to hold canonical JSON, and everything to be well-formed.
 */
export function writtenContent(row: Row): string {
  let text = ''
  for (const { index, name, kind } of MEMBERS) {
    const cell = row[index]
    if (cell === undefined || isNull(cell)) continue
    text += `${text === '' ? '' : ','}${name}${WRITERS[kind](cell)}`
  }
  return `{${text}}`
}

const WRITERS: Readonly<Record<DecisionKind, (cell: Value) => string>> = {
  text: ({ stringValue }) => JSON.stringify(stringValue ?? ''),
  json: ({ stringValue }) => stringValue ?? '',
  integer: ({ stringValue }) => stringValue ?? '',
  timestamp: ({ stringValue }) => `"${nanosecondText(stringValue ?? '')}"`,
  boolean: ({ boolValue }) => (boolValue === true ? 'true' : 'false'),
  texts: ({ listValue }) =>
    `[${(listValue?.values ?? []).map((element) => JSON.stringify(element.stringValue ?? '')).join(',')}]`,
}
