import type { PolicyChange, PolicyKind, PolicyTables } from '../core/policy-row.ts'
import type { EditSource, PolicyEdit } from './ports.ts'

/** Who makes an edit, and why. */
export interface Author {
  readonly actor: string
  readonly reason: string
  readonly source?: EditSource
}

/** An edit that adds rows, in the name of whoever is named in the first of them. Of no rows, an edit without changes. */
export function adding<Kind extends PolicyKind>(kind: Kind, ...rows: readonly PolicyTables[Kind][]): PolicyEdit {
  const [first] = rows
  return {
    changes: rows.map((after) => ({ kind, after }) as PolicyChange),
    source: 'command',
    actor: first?.createdBy ?? '',
    reason: first?.reason ?? '',
  }
}

/** An edit that removes rows as they were last seen. */
export function removing<Kind extends PolicyKind>(
  kind: Kind,
  { actor, reason, source = 'command' }: Author,
  ...rows: readonly PolicyTables[Kind][]
): PolicyEdit {
  return { changes: rows.map((before) => ({ kind, before }) as PolicyChange), source, actor, reason }
}

/** An edit that puts a row in its place: in that of the row that was seen, or where none was. */
export function putting<Kind extends PolicyKind>(
  kind: Kind,
  { actor, reason, source = 'command' }: Author,
  {
    before,
    after,
  }: {
    readonly before: PolicyTables[Kind] | undefined
    readonly after: PolicyTables[Kind]
  },
): PolicyEdit {
  const change = { kind, ...(before === undefined ? {} : { before }), after } as PolicyChange
  return { changes: [change], source, actor, reason }
}
