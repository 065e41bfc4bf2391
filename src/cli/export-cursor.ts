import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { usageFailure } from './io.ts'

/** What an export is of: a cursor of another one would leave rows out. */
export type ExportIdentity = Readonly<Record<string, string>>

/** The content of a cursor file. */
export interface ExportCursor<State> {
  readonly export: ExportIdentity
  /** The range as it was at the first run, epoch milliseconds. */
  readonly sinceMs: number
  readonly untilMs?: number
  readonly state: State
}

const VERSION = 'callout audit export 1'

/** Undefined when there is no such file. Throws a usage failure for a file that is no cursor, or one of another export. */
export async function readCursor<State>(
  file: string,
  identity: ExportIdentity,
  stateOf: (value: unknown) => State | undefined,
): Promise<ExportCursor<State> | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw usageFailure(`--cursor ${file}: ${error.message}`)
  })
  if (text === undefined) return undefined
  const cursor = cursorOf(text)
  const state = cursor === undefined ? undefined : stateOf(cursor.state)
  if (cursor === undefined || state === undefined)
    throw usageFailure(`--cursor ${file} is no cursor of an export; without the file it starts anew`)
  if (!isDeepStrictEqual(cursor.export, identity))
    throw usageFailure(`--cursor ${file} is of another export; it goes on with the same options only`)
  return { ...cursor, state }
}

function cursorOf(text: string): ExportCursor<unknown> | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { version, sinceMs, untilMs } = value as { version?: unknown; sinceMs?: unknown; untilMs?: unknown }
  const isRange = typeof sinceMs === 'number' && (untilMs === undefined || typeof untilMs === 'number')
  return version === VERSION && isRange ? (value as ExportCursor<unknown>) : undefined
}

/** Puts the cursor in the place of the one before, as a whole; it outlives the machine then. */
export async function writeCursor(file: string, cursor: ExportCursor<unknown>): Promise<void> {
  const part = `${file}.part`
  {
    await using handle = await open(part, 'w', 0o600)
    await handle.writeFile(`${JSON.stringify({ version: VERSION, ...cursor }, undefined, 2)}\n`)
    await handle.sync()
  }
  await rename(part, file)
  await using folder = await open(dirname(file), 'r')
  await folder.sync()
}
