import type { protos } from '@google-cloud/spanner-api'
import { isNull } from './values.ts'
import type { Row, Value } from './values.ts'

type PartialResultSet = protos.google.spanner.v1.IPartialResultSet
export type StructType = protos.google.spanner.v1.IStructType
type Type = protos.google.spanner.v1.IType

/**
 * Puts the parts of a streamed result together: a row may lie in several of them, and a value too.
 * spanner.proto, `PartialResultSet.chunked_value`.
 */
export class PartialRows {
  #rowType: StructType = {}
  #cells: Value[] = []
  #isLastChunked = false

  /** Of the rows that `take` returned. */
  get rowType(): StructType {
    return this.#rowType
  }

  /** The rows that are complete with this part. */
  take(part: PartialResultSet): Row[] {
    if (part.metadata?.rowType) this.#rowType = part.metadata.rowType
    const [first, ...others] = part.values ?? []
    if (first !== undefined) {
      const chunk = this.#isLastChunked ? this.#cells.pop() : undefined
      this.#cells.push(chunk === undefined ? first : merged(chunk, first), ...others)
    }
    if (part.values?.length) this.#isLastChunked = part.chunkedValue === true
    const columns = this.#rowType.fields?.length ?? 0
    const complete = this.#cells.length - (this.#isLastChunked ? 1 : 0)
    const rows: Row[] = []
    if (columns === 0) return rows
    let start = 0
    for (; start + columns <= complete; start += columns) rows.push(this.#cells.slice(start, start + columns))
    this.#cells = this.#cells.slice(start)
    return rows
  }
}

/** Texts are joined; so are lists, and the elements where they meet. Of other types nothing is ever cut. */
function merged(head: Value, tail: Value): Value {
  if (typeof head.stringValue === 'string' && typeof tail.stringValue === 'string') {
    return { stringValue: head.stringValue + tail.stringValue }
  }
  if (!head.listValue || !tail.listValue) throw new TypeError('a streamed value is cut where none can be')
  const before = head.listValue.values ?? []
  const [next, ...after] = tail.listValue.values ?? []
  const last = before.at(-1)
  if (last === undefined || next === undefined || !isDivisible(last) || !isDivisible(next)) {
    return { listValue: { values: [...before, ...(next === undefined ? [] : [next]), ...after] } }
  }
  return { listValue: { values: [...before.slice(0, -1), merged(last, next), ...after] } }
}

function isDivisible({ stringValue, listValue }: Value): boolean {
  return typeof stringValue === 'string' || (listValue !== null && listValue !== undefined)
}

/** A value whose structures have their fields by name; scalars as on the wire: INT64, TIMESTAMP and JSON are texts. */
export type Named = string | number | boolean | null | readonly Named[] | { readonly [field: string]: Named }

export function named(value: Value, type: Type | null | undefined): Named {
  if (isNull(value)) return null
  const elements = value.listValue?.values
  if (elements === undefined || elements === null) {
    return value.stringValue ?? value.boolValue ?? value.numberValue ?? null
  }
  if (type?.code !== 'STRUCT') return elements.map((element) => named(element, type?.arrayElementType))
  const fields = type.structType?.fields ?? []
  return Object.fromEntries(fields.map(({ name, type: of }, index) => [name ?? '', named(elements[index] ?? {}, of)]))
}
