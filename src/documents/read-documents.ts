import { problemsOf, writtenPath, type Problem } from '../config/problem.ts'
import { compileDocument, type CompiledRow, type Digest } from '../core/compile-document.ts'
import type { PolicyDocument } from '../core/policy-document.ts'
import { nameOfRow } from '../core/policy-row.ts'
import { parseDocuments } from './document-yaml.ts'
import { API_VERSION, DOCUMENT_KINDS, documentSchemas, type DocumentKind } from './schema.ts'
import { toDocument } from './written-document.ts'

export interface SourceFile {
  readonly name: string
  readonly text: string
}

/** A document that was read, and where: `grants.yaml:doc 2`. */
export interface ReadDocument {
  readonly at: string
  readonly document: PolicyDocument
  readonly rows: readonly CompiledRow[]
}

export type DocumentsReading =
  { readonly documents: readonly ReadDocument[] } | { readonly problems: readonly Problem[] }

export interface ReadOptions {
  readonly digest: Digest
  /** The scope of all documents; one that names another is refused. */
  readonly scope?: string
}

/** Rows of all documents together: what one plan compares in memory. */
export const WANTED_ROWS_MAX = 250_000
/** More would hide the first ones. */
const PROBLEMS_MAX = 100

/**
 * Reads documents and compiles them. Either all of them are right, no name and no row stands twice, and every row can be written,
 * or the problems of all files are returned at once, each with its place: `grants.yaml:doc 2: spec.publish.allow[0]`.
 */
export function readDocuments(files: Iterable<SourceFile>, options: ReadOptions): DocumentsReading {
  const reader = new Reader(options)
  for (const { name, text } of files) {
    let number = 0
    for (const parsed of parseDocuments(text)) {
      number += 1
      const at = `${name}:doc ${number}`
      if ('problems' in parsed) reader.refuse(at, parsed.problems)
      else reader.read(at, parsed.value)
      if (reader.isFull) return reader.finish()
    }
  }
  return reader.finish()
}

class Reader {
  readonly #options: ReadOptions
  readonly #documents: ReadDocument[] = []
  readonly #problems: Problem[] = []
  readonly #names = new Map<string, string>()
  readonly #rows = new Map<string, string>()
  #rowCount = 0

  constructor(options: ReadOptions) {
    this.#options = options
  }

  get isFull(): boolean {
    return this.#problems.length >= PROBLEMS_MAX || this.#rowCount > WANTED_ROWS_MAX
  }

  refuse(at: string, problems: readonly Problem[]): void {
    this.#problems.push(
      ...problems.map(({ path, message }) => ({ path: path === '' ? at : `${at}: ${path}`, message })),
    )
  }

  read(at: string, value: unknown): void {
    const checked = checkDocument(value)
    if ('problems' in checked) return this.refuse(at, checked.problems)
    const document = this.#scoped(checked.document)
    if ('problem' in document) return this.refuse(at, [{ path: 'metadata.scope', message: document.problem }])
    const compiled = compileDocument(document, this.#options.digest)
    if ('problems' in compiled) return this.refuse(at, compiled.problems)
    this.#rowCount += compiled.rows.length
    if (this.#rowCount > WANTED_ROWS_MAX)
      return this.refuse(at, [{ path: '', message: `the documents make more than ${WANTED_ROWS_MAX} rows` }])
    this.refuse(at, [...this.#repeatedName(at, document), ...this.#repeatedRows(at, compiled.rows)])
    this.#documents.push({ at, document, rows: compiled.rows })
  }

  finish(): DocumentsReading {
    return this.#problems.length > 0
      ? { problems: this.#problems.slice(0, PROBLEMS_MAX) }
      : { documents: this.#documents }
  }

  #scoped(document: PolicyDocument): PolicyDocument | { problem: string } {
    const { scope } = this.#options
    const { metadata } = document
    if (scope === undefined || metadata.scope === scope) return document
    if (metadata.scope !== undefined) return { problem: `is another scope than ${scope}` }
    return { ...document, metadata: { ...metadata, scope } }
  }

  /** The name is part of the ids of grants and locks; documents of roles and bindings are told apart by what they are about. */
  #repeatedName(at: string, { kind, metadata: { name, id, scope = '' } }: PolicyDocument): Problem[] {
    if (name === undefined || id !== undefined || kind === 'Role' || kind === 'RoleBinding') return []
    const key = JSON.stringify([kind, scope, name])
    const first = this.#names.get(key)
    if (first !== undefined) return [{ path: 'metadata.name', message: `is the name of ${first} already` }]
    this.#names.set(key, at)
    return []
  }

  #repeatedRows(at: string, rows: readonly CompiledRow[]): Problem[] {
    const problems: Problem[] = []
    for (const { wanted, path } of rows) {
      const keys = [nameOfRow(wanted), ...('id' in wanted.row ? [`${wanted.kind} id ${wanted.row.id}`] : [])]
      const first = keys.map((key) => this.#rows.get(key)).find((found) => found !== undefined)
      if (first !== undefined) problems.push({ path, message: `makes the same row as ${first}` })
      for (const key of keys) this.#rows.set(key, at)
      if (problems.length >= PROBLEMS_MAX) break
    }
    return problems
  }
}

function checkDocument(value: unknown): { document: PolicyDocument } | { problems: readonly Problem[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problems: [{ path: '', message: 'must be a mapping with apiVersion, kind, metadata and spec' }] }
  const { apiVersion, kind } = value as { readonly apiVersion?: unknown; readonly kind?: unknown }
  if (apiVersion !== API_VERSION) return { problems: [{ path: 'apiVersion', message: `must be ${API_VERSION}` }] }
  if (!isDocumentKind(kind))
    return { problems: [{ path: 'kind', message: `must be one of ${DOCUMENT_KINDS.join(', ')}` }] }
  const checked = documentSchemas[kind].safeParse(value, { reportInput: true })
  if (checked.success) return { document: toDocument(checked.data) }
  return { problems: problemsOf({ issues: checked.error.issues.flatMap(chosenIssues) }, unknownKey) }
}

type Issue = Parameters<typeof problemsOf>[0]['issues'][number]

/** Of "text or a mapping" only what is wrong with the one that was written. */
function chosenIssues(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const isMapping = typeof issue.input === 'object' && issue.input !== null
  const chosen = isMapping ? issue.errors.at(-1) : issue.errors[0]
  return (chosen ?? []).map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }))
}

function unknownKey(path: readonly PropertyKey[], key: string): Problem {
  return { path: writtenPath([...path, key]), message: 'is not known here' }
}

function isDocumentKind(kind: unknown): kind is DocumentKind {
  return DOCUMENT_KINDS.some((known) => known === kind)
}
