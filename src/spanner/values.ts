import type { protos } from '@google-cloud/spanner-api'
import { CalloutError } from '../core/errors.ts'

/**
 * Values on the wire: JSON as `google.protobuf.Value`, with INT64 and TIMESTAMP as strings.
 * https://cloud.google.com/spanner/docs/reference/rpc/google.spanner.v1#google.spanner.v1.TypeCode
 */
export type Value = protos.google.protobuf.IValue
export type Row = readonly Value[]

/** As the server gives it, to be handed back unchanged for a read at exactly this time. */
export type ServerTimestamp = protos.google.protobuf.ITimestamp

export const NULL: Value = { nullValue: 'NULL_VALUE' }

export function isNull(value: Value): boolean {
  return value.nullValue !== undefined && value.nullValue !== null
}

/** In a commit-timestamp column: the time of this commit, by Spanner's clock. */
export const COMMIT_TIMESTAMP: Value = { stringValue: 'spanner.commit_timestamp()' }

/** Refuses a lone surrogate: the wire has no form for it, and the encoder would put another character in its place. */
export function stringValue(text: string | undefined): Value {
  if (text === undefined) return NULL
  if (!text.isWellFormed()) throw new CalloutError('ERR_STORE_REFUSED', 'a text is not well-formed Unicode')
  return { stringValue: text }
}

export function int64Value(integer: number | undefined): Value {
  return integer === undefined ? NULL : { stringValue: String(integer) }
}

export function booleanValue(truth: boolean): Value {
  return { boolValue: truth }
}

export function stringsValue(texts: readonly string[]): Value {
  return { listValue: { values: texts.map(stringValue) } }
}

export function jsonValue(content: unknown): Value {
  return { stringValue: JSON.stringify(content) }
}

/** Epoch milliseconds, to the microsecond that Spanner keeps; rounded down. */
export function timestampValue(epochMs: number | undefined): Value {
  if (epochMs === undefined) return NULL
  const wholeMs = Math.floor(epochMs)
  const micros = Math.floor((epochMs - wholeMs) * 1000)
  return { stringValue: `${new Date(wholeMs).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z` }
}

/** A row holds something that its column cannot hold by the schema. Names table and column, never the value. */
export class RowShapeError extends Error {}

/** Reads the columns of one row in order; every getter takes the next one and checks what it finds. */
export class RowReader {
  readonly #table: string
  readonly #columns: readonly string[]
  readonly #row: Row
  #next = 0

  constructor(table: string, columns: readonly string[], row: Row) {
    this.#table = table
    this.#columns = columns
    this.#row = row
    if (row.length !== columns.length)
      throw new RowShapeError(`${table}: got ${row.length} columns, want ${columns.length}`)
  }

  optionalString(): string | undefined {
    const value = this.#row[this.#next++]
    if (value?.stringValue !== undefined && value.stringValue !== null) return value.stringValue
    if (value !== undefined && isNull(value)) return undefined
    throw this.#shape('is not a string')
  }

  string(): string {
    return this.optionalString() ?? this.#refuse('is NULL')
  }

  oneOf<Member extends string>(members: Readonly<Record<string, Member>>): Member {
    return this.optionalOneOf(members) ?? this.#refuse('is NULL')
  }

  optionalOneOf<Member extends string>(members: Readonly<Record<string, Member>>): Member | undefined {
    const text = this.optionalString()
    if (text === undefined) return undefined
    return (Object.hasOwn(members, text) ? members[text] : undefined) ?? this.#refuse('holds an unknown word')
  }

  /** An ARRAY<STRING> whose elements are all there. */
  optionalStrings(): readonly string[] | undefined {
    const value = this.#row[this.#next++]
    if (value !== undefined && isNull(value)) return undefined
    const elements = value?.listValue?.values
    if (elements === undefined || elements === null) throw this.#shape('is not a list')
    return elements.map(({ stringValue: text }) => text ?? this.#refuse('holds what is not a string'))
  }

  int64(): number {
    return this.optionalInt64() ?? this.#refuse('is NULL')
  }

  optionalInt64(): number | undefined {
    const text = this.optionalString()
    if (text === undefined) return undefined
    const integer = Number(text)
    return Number.isSafeInteger(integer) ? integer : this.#refuse('is not an integer')
  }

  optionalBoolean(): boolean | undefined {
    const value = this.#row[this.#next++]
    if (value !== undefined && isNull(value)) return undefined
    return value?.boolValue ?? this.#refuse('is not a boolean')
  }

  /** Epoch milliseconds; a part of a millisecond is rounded in the direction that grants less. */
  optionalTimestampMs(rounding: 'up' | 'down'): number | undefined {
    const text = this.optionalString()
    if (text === undefined) return undefined
    return parseTimestampMs(text, rounding) ?? this.#refuse('is not a timestamp')
  }

  #refuse(what: string): never {
    throw this.#shape(what)
  }

  #shape(what: string): RowShapeError {
    return new RowShapeError(`${this.#table}.${this.#columns[this.#next - 1] ?? '?'} ${what}`)
  }
}

const RFC3339_UTC = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/

/** Epoch milliseconds of an RFC 3339 timestamp in UTC, as Spanner writes them; undefined for anything else. */
export function parseTimestampMs(text: string, rounding: 'up' | 'down'): number | undefined {
  const match = RFC3339_UTC.exec(text)
  if (match === null) return undefined
  const wholeMs = Date.parse(`${match[1]}Z`)
  const nanos = Number((match[2] ?? '').padEnd(9, '0'))
  const fractionMs = rounding === 'up' ? Math.ceil(nanos / 1_000_000) : Math.floor(nanos / 1_000_000)
  return Number.isNaN(wholeMs) ? undefined : wholeMs + fractionMs
}

/** RFC 3339 with the microseconds that Spanner's timestamps have. */
export function formatServerTimestamp({ seconds, nanos }: ServerTimestamp): string {
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19)
  return `${whole}.${String(Math.floor((nanos ?? 0) / 1000)).padStart(6, '0')}Z`
}

/** The reverse, of any RFC 3339 timestamp in UTC. Throws `RowShapeError`. */
export function parseServerTimestamp(text: string): ServerTimestamp {
  const match = RFC3339_UTC.exec(text)
  const wholeMs = match === null ? Number.NaN : Date.parse(`${match[1]}Z`)
  if (match === null || Number.isNaN(wholeMs)) throw new RowShapeError('a text is not a timestamp')
  return { seconds: String(wholeMs / 1000), nanos: Number((match[2] ?? '').padEnd(9, '0')) }
}
