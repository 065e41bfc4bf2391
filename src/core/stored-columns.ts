/** A stored row: its columns by name, without those that are NULL. */
export type StoredColumns = Readonly<Record<string, unknown>>

/** Undefined where the column holds no text. */
export function textOf(columns: StoredColumns | undefined, name: string): string | undefined {
  const value = columns?.[name]
  return typeof value === 'string' ? value : undefined
}

/** Undefined where the column holds no number. */
export function numberOf(columns: StoredColumns, name: string): number | undefined {
  const value = columns[name]
  return typeof value === 'number' ? value : undefined
}

/** Empty where the column holds no list; elements of it that are no text are left out. */
export function textsOf(columns: StoredColumns | undefined, name: string): readonly string[] {
  const value = columns?.[name]
  return Array.isArray(value) ? value.filter((element): element is string => typeof element === 'string') : []
}

/** A member that is an object; undefined for everything else. */
export function objectOf(value: unknown, name: string): StoredColumns | undefined {
  const member: unknown = typeof value === 'object' && value !== null ? (value as StoredColumns)[name] : undefined
  return typeof member === 'object' && member !== null && !Array.isArray(member) ? (member as StoredColumns) : undefined
}

/** The columns that are not among `names`. */
export function otherColumns(columns: StoredColumns, names: ReadonlySet<string>): StoredColumns {
  return Object.fromEntries(Object.entries(columns).filter(([name]) => !names.has(name)))
}

/** The object without its members that are undefined; undefined when none is left. */
export function filled<T extends object>(members: T): T | undefined {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined)
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as T)
}
