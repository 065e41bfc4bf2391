import type { StreamBounds } from '../../src/spanner/channel.ts'
import type { SpannerDatabase } from '../../src/spanner/database.ts'
import type { StructType } from '../../src/spanner/partial-rows.ts'
import type { Parameters } from '../../src/spanner/query.ts'
import type { Row, Value } from '../../src/spanner/values.ts'

/** One record as a row of `READ_<stream>` has it, with its fields by name. */
type Written = string | readonly Written[] | { readonly [field: string]: Written }

interface Question {
  /** Undefined for the question after the partitions themselves. */
  readonly token: string | undefined
  readonly start: string
  /** Absent for the question after the partitions. */
  readonly end: string | undefined
  readonly signal: AbortSignal
}

type Said = { readonly record: Written } | { readonly error: unknown } | 'end'

/**
 * A change stream whose partitions say what a test tells them to: the emulator splits and merges none. Each question is answered
 * by what is said about its token from then on, and waits for more until the end is said.
 */
export class ScriptedChangeStream implements Pick<SpannerDatabase, 'stream'> {
  readonly questions: Question[] = []
  readonly #said = new Map<string | undefined, Said[]>()
  #more = Promise.withResolvers<void>()

  async *stream(
    _sql: string,
    parameters: Parameters,
    { signal }: StreamBounds,
  ): AsyncGenerator<{ readonly row: Row; readonly rowType: StructType }, void, void> {
    const token = parameters['token']?.value.stringValue ?? undefined
    const [start = '', end] = ['start', 'end'].map((name) => parameters[name]?.value.stringValue ?? undefined)
    this.questions.push({ token, start, end, signal })
    const wake = (): void => this.#wake()
    signal.addEventListener('abort', wake)
    while (!signal.aborted) {
      const more = this.#more.promise
      const next = this.#said.get(token)?.shift()
      if (next === undefined) await more
      else if (next === 'end') return
      else if ('error' in next) throw next.error
      else yield rowOf(next.record)
    }
  }

  /** Tokens in the order in which they were asked about; the partitions themselves are not among them. */
  get asked(): string[] {
    return this.questions.flatMap(({ token }) => token ?? [])
  }

  /** The partitions that the stream has from the start. */
  begins(at: string, ...tokens: readonly string[]): void {
    this.splits(undefined, at, ...tokens.map((token) => ({ token, parents: [] })))
  }

  heartbeat(token: string, at: string): void {
    this.#say(token, { record: { heartbeat_record: [{ timestamp: at }] } })
  }

  /** One record of a transaction, of one row each. */
  change(token: string, at: string, { id, record = 1, of = 1 }: { id: string; record?: number; of?: number }): void {
    const said = {
      commit_timestamp: at,
      server_transaction_id: id,
      record_sequence: String(record),
      number_of_records_in_transaction: String(of),
      table_name: 'Grants',
      mod_type: 'INSERT',
      mods: [{ keys: '{"GrantId":"g"}', new_values: '{}', old_values: '{}' }],
    }
    this.#say(token, { record: { data_change_record: [said] } })
  }

  /** The partition goes on as others from then, and ends. */
  splits(
    token: string | undefined,
    at: string,
    ...children: readonly { readonly token: string; readonly parents: readonly string[] }[]
  ): void {
    const child_partitions = children.map(({ token, parents }) => ({ token, parent_partition_tokens: parents }))
    this.#say(token, { record: { child_partitions_record: [{ start_timestamp: at, child_partitions }] } })
    this.ends(token)
  }

  /** The answer to the question is over. */
  ends(token: string | undefined): void {
    this.#say(token, 'end')
  }

  fails(token: string | undefined, error: unknown): void {
    this.#say(token, { error })
  }

  #say(token: string | undefined, said: Said): void {
    const all = this.#said.get(token) ?? []
    all.push(said)
    this.#said.set(token, all)
    this.#wake()
  }

  #wake(): void {
    const { resolve } = this.#more
    this.#more = Promise.withResolvers<void>()
    resolve()
  }
}

/** As Spanner writes it: one column, a list of one record. */
export function rowOf(record: Written): { readonly row: Row; readonly rowType: StructType } {
  return {
    row: [{ listValue: { values: [valueOf(record)] } }],
    rowType: { fields: [{ name: 'ChangeRecord', type: { code: 'ARRAY', arrayElementType: typeOf(record) } }] },
  }
}

function valueOf(written: Written): Value {
  if (typeof written === 'string') return { stringValue: written }
  const elements = isList(written) ? written : Object.values(written)
  return { listValue: { values: elements.map(valueOf) } }
}

type Type = NonNullable<NonNullable<StructType['fields']>[number]['type']>

function typeOf(written: Written): Type {
  if (typeof written === 'string') return { code: 'STRING' }
  if (isList(written)) return { code: 'ARRAY', arrayElementType: typeOf(written[0] ?? '') }
  const fields = Object.entries(written).map(([name, value]) => ({ name, type: typeOf(value) }))
  return { code: 'STRUCT', structType: { fields } }
}

function isList(written: Written): written is readonly Written[] {
  return Array.isArray(written)
}
