import { decodeCursor, encodeCursor } from './decision-cursor.ts'
import { WALKS, type ExportState, type ExportWalk } from './decision-export.ts'

const STORE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/

/** As JSON. */
export function encodeExportState({ walk, ...state }: ExportState): object {
  return { ...state, ...(walk !== undefined && { walk: encodeWalk(walk) }) }
}

function encodeWalk({ after, ...walk }: ExportWalk): object {
  return { ...walk, ...(after !== undefined && { after: encodeCursor({ order: 'oldest first', after }) }) }
}

/** Undefined for what `encodeExportState` does not make. */
export function decodeExportState(value: unknown): ExportState | undefined {
  const state = membersOf(value)
  if (state === undefined || !areTimes(state['completeUntil'], state['recentUntil'])) return undefined
  const { walk: written, ...until } = state
  if (written === undefined) return until
  const walk = decodeWalk(written)
  return walk === undefined ? undefined : { ...until, walk }
}

function decodeWalk(value: unknown): ExportWalk | undefined {
  const { after: written, over, committedAfter, committedUntil } = membersOf(value) ?? {}
  const walked = WALKS.find((known) => known === over)
  if (walked === undefined || typeof committedUntil !== 'string' || !areTimes(committedAfter, committedUntil))
    return undefined
  const walk = {
    over: walked,
    ...(typeof committedAfter === 'string' && { committedAfter }),
    committedUntil,
  }
  if (written === undefined) return walk
  const cursor = typeof written === 'string' ? decodeCursor(written) : undefined
  return cursor?.order === 'oldest first' ? { ...walk, after: cursor.after } : undefined
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
}

function areTimes(...values: readonly unknown[]): boolean {
  return values.every((value) => value === undefined || (typeof value === 'string' && STORE_TIME.test(value)))
}
