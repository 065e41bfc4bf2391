import { SEARCH_ORDERS, type DecisionPosition, type SearchOrder } from './decision-search.ts'

/** Where a walk over the decisions goes on. */
export interface DecisionCursor {
  readonly order: SearchOrder
  readonly after: DecisionPosition
}

const CURSOR = /^1([no])(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z)\/(\d{1,5})\/(.{1,36})$/s
const CURSOR_CHARACTERS_MAX = 256
const LETTERS = { 'newest first': 'n', 'oldest first': 'o' } as const

/** One word of letters, digits, `-` and `_` for people and programs to hand back. */
export function encodeCursor({ order, after: { decidedAt, shard, id } }: DecisionCursor): string {
  return Buffer.from(`1${LETTERS[order]}${decidedAt}/${shard}/${id}`).toString('base64url')
}

/** Undefined for everything that `encodeCursor` does not make. */
export function decodeCursor(text: string): DecisionCursor | undefined {
  if (text.length > CURSOR_CHARACTERS_MAX) return undefined
  const [, letter, decidedAt = '', shard, id = ''] = CURSOR.exec(Buffer.from(text, 'base64url').toString('utf8')) ?? []
  const order = SEARCH_ORDERS.find((order) => LETTERS[order] === letter)
  if (order === undefined || Number.isNaN(Date.parse(decidedAt)) || decidedAt.startsWith('0000')) return undefined
  const cursor = { order, after: { decidedAt, shard: Number(shard), id } }
  return encodeCursor(cursor) === text ? cursor : undefined
}
