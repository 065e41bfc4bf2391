import { startGrpcProxy, type GrpcProxy } from './grpc-proxy.ts'

type Message = Record<string, unknown>

/** What somebody did in the database, as `SELECT Grants`; columns are kept where a read names them. */
export interface StoreAccess extends GrpcProxy {
  readonly accesses: Set<string>
  /** In SQL. */
  readonly statements: Set<string>
  /** By table, of reads that are no SQL. */
  readonly columnsRead: Map<string, Set<string>>
  /** Database roles as which sessions were made, `''` for none. */
  readonly creatorRoles: Set<string>
}

/** A proxy in front of a real emulator that records what is done through it. */
export async function recordStoreAccess(emulatorHost: string): Promise<StoreAccess> {
  const accesses = new Set<string>()
  const statements = new Set<string>()
  const columnsRead = new Map<string, Set<string>>()
  const creatorRoles = new Set<string>()
  const proxy = await startGrpcProxy(emulatorHost, (name, request) => {
    for (const access of accessesOf(name, request)) accesses.add(access)
    if (isSql(name)) statements.add(String(request['sql']))
    if (name === 'read') {
      const table = String(request['table'])
      const columns = columnsRead.get(table) ?? new Set()
      columnsRead.set(table, columns.union(new Set(request['columns'] as string[])))
    }
    if (name === 'createSession') creatorRoles.add((request['session'] as { readonly creatorRole: string }).creatorRole)
    return undefined
  })
  return Object.assign(proxy, { accesses, statements, columnsRead, creatorRoles })
}

function isSql(name: string): boolean {
  return name === 'executeSql' || name === 'executeStreamingSql'
}

function accessesOf(name: string, request: Message): readonly string[] {
  if (name === 'read') return [`SELECT ${String(request['table'])}`]
  if (isSql(name)) return accessesOfSql(String(request['sql']))
  if (name !== 'commit') return []
  const mutations = (request['mutations'] ?? []) as Record<string, { readonly table?: string } | string | null>[]
  return mutations.flatMap((mutation) =>
    Object.entries(mutation).flatMap(([kind, write]) => {
      const table = typeof write === 'object' ? write?.table : undefined
      return table === undefined ? [] : (PRIVILEGES[kind] ?? [`${kind} of`]).map((privilege) => `${privilege} ${table}`)
    }),
  )
}

/** What each kind of mutation asks for. */
const PRIVILEGES: Readonly<Record<string, readonly string[]>> = {
  insert: ['INSERT'],
  update: ['UPDATE'],
  insertOrUpdate: ['INSERT', 'UPDATE'],
  delete: ['DELETE'],
}

/** What a SELECT reads: tables, views, and change streams by their functions. Whoever is a role sees its part of the schema anyway. */
export function accessesOfSql(sql: string): readonly string[] {
  return [...sql.matchAll(/\b(?:FROM|JOIN)(?:@\{[^}]*\})?\s+(\w+)/g)].flatMap(([, from = '']) => {
    if (from === 'UNNEST' || from === 'INFORMATION_SCHEMA') return []
    return from.startsWith('READ_') ? [`EXECUTE ${from}`, `SELECT ${from.slice('READ_'.length)}`] : [`SELECT ${from}`]
  })
}

export interface Granted {
  /** As those of `StoreAccess`. */
  readonly accesses: ReadonlySet<string>
  /** Tables of which no more than these columns may be read. */
  readonly columns: ReadonlyMap<string, ReadonlySet<string>>
}

/** What the statements of a migration give to a role. Throws for a GRANT that it cannot read. */
export function grantedTo(role: string, statements: readonly string[]): Granted {
  const accesses = new Set<string>()
  const columns = new Map<string, Set<string>>()
  for (const statement of statements) {
    if (!statement.endsWith(` TO ROLE ${role}`)) continue
    const parts =
      /^GRANT (?<what>[A-Z, ]+)(?:\((?<columns>[\w, ]+)\))? ON (?:TABLE FUNCTION|TABLE|VIEW|CHANGE STREAM) (?<names>[\w, ]+) TO ROLE \w+$/.exec(
        statement,
      )?.groups
    if (parts === undefined) throw new Error(`not a GRANT of a known form: ${statement}`)
    const { what = '', names = '' } = parts
    for (const name of names.split(', ')) {
      for (const privilege of what.split(', ')) accesses.add(`${privilege} ${name}`)
      if (parts['columns'] !== undefined) columns.set(name, new Set(parts['columns'].split(', ')))
    }
  }
  return { accesses, columns }
}
