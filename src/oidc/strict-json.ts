import { isUtf8 } from 'node:buffer'

/** A JSON object of hostile origin: read members with `readMember` only. */
export type JsonObject = Readonly<Record<string, unknown>>

export type JsonResult = { readonly object: JsonObject } | { readonly fault: string }

/** Real tokens and key sets nest to about 6; a delegation chain (RFC 8693 `act`) adds one level for each actor. */
const DEPTH_MAX = 32

/** What stands in a decoded text where the bytes were not UTF-8, or where somebody wrote it. */
const REPLACEMENT = '\ufffd'

/**
 * Parses bytes that must be one JSON object, strictly: valid UTF-8 without a byte order mark, no member name twice in one
 * object, no lone surrogate in any string, nesting up to 32.
 * RFC 8259 §4 leaves duplicate names open, so two parsers may read two different tokens from one signature.
 * The caller bounds the size.
 */
export function parseJsonObject(bytes: Uint8Array): JsonResult {
  return parseJsonIn(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), bytes.byteLength)
}

/** As `parseJsonObject`, of the first `length` bytes of a buffer: making a view of them would cost a microsecond. */
export function parseJsonIn(bytes: Buffer, length: number): JsonResult {
  // Keeps a byte order mark, which the parser then refuses.
  const text = bytes.toString('utf8', 0, length)
  if (text.includes(REPLACEMENT) && !isUtf8(bytes.subarray(0, length))) return { fault: 'is not UTF-8' }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which is not ours to repeat.
    return { fault: 'is not JSON' }
  }
  if (!isJsonObject(value)) return { fault: 'is not a JSON object' }
  const members = countMembers(value, text.includes('\\'), 1)
  if (typeof members === 'string') return { fault: members }
  return members === countWrittenMembers(text) ? { object: value } : { fault: 'holds a member name twice' }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An own member, or undefined. JSON has no `undefined`, so that always means absent. */
export function readMember(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** How many members the value has at all depths, or what is wrong with it. Without escapes no surrogate can be alone. */
function countMembers(value: object, hasEscapes: boolean, depth: number): number | string {
  if (depth > DEPTH_MAX) return `nests deeper than ${DEPTH_MAX}`
  const isArray = Array.isArray(value)
  if (hasEscapes && !isArray && !Object.keys(value).every(isWellFormed)) return 'holds a lone surrogate'
  const parts: readonly unknown[] = isArray ? value : Object.values(value)
  let count = isArray ? 0 : parts.length
  for (const part of parts) {
    if (hasEscapes && !isWellFormed(part)) return 'holds a lone surrogate'
    if (typeof part !== 'object' || part === null) continue
    const inside = countMembers(part, hasEscapes, depth + 1)
    if (typeof inside === 'string') return inside
    count += inside
  }
  return count
}

function isWellFormed(value: unknown): boolean {
  return typeof value !== 'string' || value.isWellFormed()
}

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c

/**
 * Counts the colons outside of strings in a text that `JSON.parse` accepted: one for each member that is written. The
 * parser keeps one member of each name, by its unescaped spelling, so that a duplicate leaves fewer than were written.
 */
function countWrittenMembers(json: string): number {
  let count = 0
  let inString = false
  for (let at = 0; at < json.length; at += 1) {
    const unit = json.charCodeAt(at)
    if (unit === QUOTE) inString = !inString
    else if (inString && unit === BACKSLASH) at += 1
    else if (!inString && unit === COLON) count += 1
  }
  return count
}
