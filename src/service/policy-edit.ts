import type { PolicyChange, PolicyRow } from '../core/policy-row.ts'
import type { EditSource, PolicyEdit } from './ports.ts'

/** Who makes an edit, and why. */
export interface Author {
  readonly actor: string
  readonly reason: string
  readonly source?: EditSource
}

/** An edit that adds rows, in the name of whoever is named in the first of them. Of no rows, an edit without changes. */
export function adding<Kind extends PolicyRow['kind']>(
  kind: Kind,
  ...rows: readonly Extract<PolicyRow, { kind: Kind }>['row'][]
): PolicyEdit {
  const [first] = rows
  return {
    changes: rows.map((after) => ({ kind, after }) as PolicyChange),
    source: 'command',
    actor: first?.createdBy ?? '',
    reason: first?.reason ?? '',
  }
}

/** An edit that removes rows as they were last seen. */
export function removing<Kind extends PolicyRow['kind']>(
  kind: Kind,
  { actor, reason, source = 'command' }: Author,
  ...rows: readonly Extract<PolicyRow, { kind: Kind }>['row'][]
): PolicyEdit {
  return { changes: rows.map((before) => ({ kind, before }) as PolicyChange), source, actor, reason }
}

/** An edit that puts a row in its place: in that of the row that was seen, or where none was. */
export function putting<Kind extends PolicyRow['kind']>(
  kind: Kind,
  { actor, reason, source = 'command' }: Author,
  {
    before,
    after,
  }: {
    readonly before: Extract<PolicyRow, { kind: Kind }>['row'] | undefined
    readonly after: Extract<PolicyRow, { kind: Kind }>['row']
  },
): PolicyEdit {
  const change = { kind, ...(before === undefined ? {} : { before }), after } as PolicyChange
  return { changes: [change], source, actor, reason }
}
