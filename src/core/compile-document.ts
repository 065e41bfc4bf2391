import { assertNever } from './errors.ts'
import type {
  DocumentMetadata,
  DocumentProblem,
  GrantDocument,
  GrantEntry,
  LockDocument,
  PolicyDocument,
  RoleBindingDocument,
  RoleDocument,
} from './policy-document.ts'
import type { PolicyLabels, UnsignedRow, UnsignedTables } from './policy-row.ts'
import { problemsOfRow, type RowProblem } from './row-problems.ts'

/** Lower-case hex of a digest without known collisions; at least 24 digits. */
export type Digest = (text: string) => string

/** A row that a document asks for, and where in the document. */
export interface CompiledRow {
  readonly wanted: UnsignedRow
  readonly path: string
}

export type Compiled = { readonly rows: readonly CompiledRow[] } | { readonly problems: readonly DocumentProblem[] }

/** A document of this many rows is as long as a file that people review; more are several documents. */
export const ROWS_PER_DOCUMENT_MAX = 20_000
/** Of one document; the rest shows once these are mended. */
const PROBLEMS_MAX = 50
/** With a dash and 24 hex digits, as wide as the column of ids. */
const SLUG_CHARACTERS_MAX = 39
const DIGEST_CHARACTERS = 24

/**
 * The rows of a document: one for each principal and subject. Ids are made of the name of the document and of what makes the row
 * (scope, principal, account, effect, action, subject, queue group), so that an unchanged document makes unchanged rows, a changed
 * window or condition changes a row, and another subject is another row. Every row could be written as it is; otherwise all that
 * is wrong is returned.
 */
export function compileDocument(document: PolicyDocument, digest: Digest): Compiled {
  const { metadata } = document
  const problems = metadataProblems(document)
  if (problems.length > 0) return { problems }
  const compiled = rowsOf(document, digest)
  if (metadata.id !== undefined && compiled.length !== 1)
    return { problems: [{ path: 'metadata.id', message: `names one row, but the document makes ${compiled.length}` }] }
  const found = new Map<string, DocumentProblem>()
  for (const { row, paths } of compiled) {
    for (const rowProblem of problemsOfRow(row)) {
      const problem = { path: paths(rowProblem.field), message: rowProblem.message }
      found.set(`${problem.path} ${problem.message}`, problem)
    }
    if (found.size >= PROBLEMS_MAX) break
  }
  if (found.size > 0) return { problems: [...found.values()].slice(0, PROBLEMS_MAX) }
  return { rows: compiled.map(({ row, path }) => ({ wanted: row, path })) }
}

interface Draft {
  readonly row: UnsignedRow
  readonly path: string
  readonly paths: (field: RowProblem['field']) => string
}

function metadataProblems(document: PolicyDocument): DocumentProblem[] {
  const { kind, metadata } = document
  const hasIds = kind === 'Grant' || kind === 'Lock'
  if (hasIds && metadata.name === undefined && metadata.id === undefined)
    return [{ path: 'metadata.name', message: 'is required' }]
  if (!hasIds && metadata.id !== undefined)
    return [{ path: 'metadata.id', message: `is for grants and locks; a row of a ${kind} has no id` }]
  const count =
    kind === 'Grant'
      ? document.principals.length * document.entries.length
      : kind === 'Lock'
        ? document.targets.length
        : 1
  if (count > ROWS_PER_DOCUMENT_MAX)
    return [
      { path: 'spec', message: `makes ${count} rows, more than ${ROWS_PER_DOCUMENT_MAX}; write several documents` },
    ]
  if (kind === 'Grant' && document.entries.length === 0)
    return [{ path: 'spec', message: 'grants nothing; say what with publish, subscribe or allow' }]
  return []
}

function rowsOf(document: PolicyDocument, digest: Digest): Draft[] {
  switch (document.kind) {
    case 'Grant':
      return grantDrafts(document, digest)
    case 'Role':
      return [roleDraft(document)]
    case 'RoleBinding':
      return bindingDrafts(document)
    case 'Lock':
      return lockDrafts(document, digest)
    default:
      return assertNever(document)
  }
}

function grantDrafts(document: GrantDocument, digest: Digest): Draft[] {
  const { metadata, principals, account, condition, force, entries, validFromMs, validUntilMs } = document
  const common = {
    ...(validFromMs !== undefined && { validFromMs }),
    ...(validUntilMs !== undefined && { validUntilMs }),
    ...(condition !== undefined && { condition }),
    ...(force === true && { forced: force }),
    ...labelsOf(metadata),
  }
  return principals.flatMap((principal, index) =>
    entries.map((entry): Draft => {
      const { effect, action, subject, queue, response } = entry
      const row: UnsignedTables['grant'] = {
        id: idOf(metadata, [principal, account, effect, action, subject, queue ?? ''], digest),
        principal,
        account,
        effect,
        action,
        subject,
        ...(queue !== undefined && { queue }),
        ...(response !== undefined && { response }),
        ...common,
      }
      const principalPath = `spec.principals[${index}]`
      const paths = (field: string): string => grantPath(field, entry, principalPath)
      return { row: { kind: 'grant', row }, path: entry.path, paths }
    }),
  )
}

function grantPath(field: string, { path }: GrantEntry, principalPath: string): string {
  if (field === 'principal') return principalPath
  if (field === 'subject') return path
  if (field === 'queue' || field.startsWith('response')) return `${path}.${field}`
  return isOfMetadata(field) ? `metadata.${field}` : `spec.${field}`
}

function roleDraft({ metadata, role, description, sessionMaxMs }: RoleDocument): Draft {
  const row = {
    role,
    ...(sessionMaxMs !== undefined && { sessionMaxMs }),
    ...(description !== undefined && { description }),
    ...labelsOf(metadata),
  }
  return { row: { kind: 'role', row }, path: 'spec.role', paths: specPath }
}

function bindingDrafts({ metadata, role, members, validFromMs, validUntilMs }: RoleBindingDocument): Draft[] {
  return members.map((member, index) => {
    const path = `spec.members[${index}]`
    const row = {
      member,
      role,
      ...(validFromMs !== undefined && { validFromMs }),
      ...(validUntilMs !== undefined && { validUntilMs }),
      ...labelsOf(metadata),
    }
    return { row: { kind: 'binding', row }, path, paths: (field) => (field === 'member' ? path : specPath(field)) }
  })
}

const ADDRESS = 'address:'

function lockDrafts({ metadata, targets, message, expiresAtMs }: LockDocument, digest: Digest): Draft[] {
  return targets.map((written, index) => {
    const path = `spec.targets[${index}]`
    const isAddress = written.startsWith(ADDRESS)
    const row: UnsignedTables['lock'] = {
      id: idOf(metadata, [written], digest),
      target: isAddress ? 'address' : written,
      ...(expiresAtMs !== undefined && { expiresAtMs }),
      ...(isAddress && { sourceCidr: written.slice(ADDRESS.length) }),
      ...(message !== undefined && { message }),
      ...labelsOf(metadata),
    }
    return { row: { kind: 'lock', row }, path, paths: (field) => (field === 'target' ? path : specPath(field)) }
  })
}

function idOf({ name = '', scope = '', id }: DocumentMetadata, content: readonly string[], digest: Digest): string {
  if (id !== undefined) return id
  const slug = name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, SLUG_CHARACTERS_MAX)
  return `${slug}-${digest(JSON.stringify([scope, name, ...content])).slice(0, DIGEST_CHARACTERS)}`
}

function labelsOf({ name, scope, owner, ticket, labels }: DocumentMetadata): PolicyLabels {
  return {
    ...(name !== undefined && { name }),
    ...(scope !== undefined && { scope }),
    ...(owner !== undefined && { owner }),
    ...(ticket !== undefined && { ticket }),
    ...(labels !== undefined && labels.length > 0 && { labels }),
  }
}

function specPath(field: string): string {
  return isOfMetadata(field) ? `metadata.${field}` : `spec.${field}`
}

function isOfMetadata(field: string): boolean {
  return ['id', 'name', 'scope', 'owner', 'ticket', 'labels'].includes(field)
}
