import { compileDocument, type Digest } from './compile-document.ts'
import { writtenLockTarget } from './locks.ts'
import type { DocumentMetadata, GrantDocument, GrantEntry, LockDocument, PolicyDocument } from './policy-document.ts'
import { nameOfRow, type PolicyKind, type PolicyLabels, type UnsignedRow, type UnsignedTables } from './policy-row.ts'
import { sameRow } from './same-row.ts'

/** Rows as documents, and the rows that no document can stand for. */
export interface Expressed {
  readonly documents: readonly PolicyDocument[]
  /** Rows that hold what documents refuse, such as a label without "="; with the reason. */
  readonly refused: readonly { readonly row: UnsignedRow; readonly message: string }[]
}

/**
 * Writes rows as documents that compile to exactly these rows. Rows with the same name and scope become one document where one can
 * stand for them; a row that has no name, or whose id its content does not make, becomes a document that names its id.
 */
export function expressRows(rows: readonly UnsignedRow[], digest: Digest): Expressed {
  const documents: PolicyDocument[] = []
  const refused: { row: UnsignedRow; message: string }[] = []
  for (const group of groupsOf(rows)) {
    const together = group.length > 1 || hasName(group) ? oneDocument(group) : undefined
    if (together !== undefined && standsFor(together, group, digest)) {
      documents.push(together)
      continue
    }
    for (const row of group) {
      const alone = documentOfRow(row)
      const compiled = compileDocument(alone, digest)
      if ('problems' in compiled) {
        const [problem] = compiled.problems
        refused.push({ row, message: `${problem?.path ?? ''}: ${problem?.message ?? ''}` })
      } else documents.push(alone)
    }
  }
  return { documents, refused }
}

function hasName([first]: readonly UnsignedRow[]): boolean {
  return first?.row.name !== undefined
}

/** Rows of one kind, name and scope together, in the order of their first row. Rows without a name stay alone. */
function groupsOf(rows: readonly UnsignedRow[]): UnsignedRow[][] {
  const groups = new Map<string, UnsignedRow[]>()
  for (const row of rows) {
    const { name, scope } = row.row
    const key = name === undefined ? nameOfRow(row) : JSON.stringify([row.kind, scope ?? '', name])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [row])
    else group.push(row)
  }
  return [...groups.values()]
}

function standsFor(document: PolicyDocument, group: readonly UnsignedRow[], digest: Digest): boolean {
  const compiled = compileDocument(document, digest)
  if ('problems' in compiled || compiled.rows.length !== group.length) return false
  const wanted = new Map(compiled.rows.map(({ wanted: row }) => [nameOfRow(row), row]))
  return group.every((row) => {
    const same = wanted.get(nameOfRow(row))
    return same !== undefined && sameRow(same, row)
  })
}

function oneDocument(group: readonly UnsignedRow[]): PolicyDocument | undefined {
  const grants = only('grant', group)
  if (grants.length > 0) return grantDocument(grants)
  const bindings = only('binding', group)
  const [binding] = bindings
  if (binding !== undefined) {
    const { role, validFromMs, validUntilMs } = binding
    const members = bindings.map(({ member }) => member)
    return {
      kind: 'RoleBinding',
      metadata: metadataOf(binding),
      role,
      members,
      ...windowOf({ validFromMs, validUntilMs }),
    }
  }
  const locks = only('lock', group)
  const [lock] = locks
  if (lock !== undefined) return lockDocument(lock, locks.map(writtenLockTarget))
  const [only_] = group
  return group.length === 1 && only_ !== undefined ? documentOfRow(only_) : undefined
}

function only<Kind extends PolicyKind>(kind: Kind, group: readonly UnsignedRow[]): UnsignedTables[Kind][] {
  return group.filter((row) => row.kind === kind).map(({ row }) => row as UnsignedTables[Kind])
}

function grantDocument(grants: readonly UnsignedTables['grant'][], id?: string): GrantDocument {
  const [first] = grants
  if (first === undefined) throw new TypeError('a document of no rows')
  const entries = new Map<string, GrantEntry>()
  for (const { effect, action, subject, queue, response } of grants) {
    const entry = {
      path: '',
      effect,
      action,
      subject,
      ...(queue !== undefined && { queue }),
      ...(response !== undefined && { response }),
    }
    entries.set(JSON.stringify([effect, action, subject, queue]), entry)
  }
  const { account, condition, forced, validFromMs, validUntilMs } = first
  return {
    kind: 'Grant',
    metadata: metadataOf(first, id),
    principals: [...new Set(grants.map(({ principal }) => principal))],
    account,
    ...(condition !== undefined && { condition }),
    ...(forced === true && { force: forced }),
    ...windowOf({ validFromMs, validUntilMs }),
    entries: [...entries.values()],
  }
}

/** The document of one row; it names the id of the row where there is one. */
function documentOfRow(row: UnsignedRow): PolicyDocument {
  if (row.kind === 'grant') return grantDocument([row.row], row.row.id)
  if (row.kind === 'lock') return lockDocument(row.row, [writtenLockTarget(row.row)], row.row.id)
  if (row.kind === 'binding') {
    const { member, role, validFromMs, validUntilMs } = row.row
    const window = windowOf({ validFromMs, validUntilMs })
    return { kind: 'RoleBinding', metadata: metadataOf(row.row), role, members: [member], ...window }
  }
  const { role, description, sessionMaxMs } = row.row
  return {
    kind: 'Role',
    metadata: metadataOf(row.row),
    role,
    ...(description !== undefined && { description }),
    ...(sessionMaxMs !== undefined && { sessionMaxMs }),
  }
}

function lockDocument(
  { message, expiresAtMs, ...rest }: UnsignedTables['lock'],
  targets: readonly string[],
  id?: string,
): LockDocument {
  return {
    kind: 'Lock',
    metadata: metadataOf(rest, id),
    targets,
    ...(message !== undefined && { message }),
    ...(expiresAtMs !== undefined && { expiresAtMs }),
  }
}

function metadataOf({ name, scope, owner, ticket, labels }: PolicyLabels, id?: string): DocumentMetadata {
  return {
    ...(name !== undefined && { name }),
    ...(id !== undefined && { id }),
    ...(scope !== undefined && { scope }),
    ...(owner !== undefined && { owner }),
    ...(ticket !== undefined && { ticket }),
    ...(labels !== undefined && { labels: labels.toSorted() }),
  }
}

function windowOf(window: { readonly validFromMs: number | undefined; readonly validUntilMs: number | undefined }): {
  readonly validFromMs?: number
  readonly validUntilMs?: number
} {
  const { validFromMs, validUntilMs } = window
  return {
    ...(validFromMs !== undefined && { validFromMs }),
    ...(validUntilMs !== undefined && { validUntilMs }),
  }
}
