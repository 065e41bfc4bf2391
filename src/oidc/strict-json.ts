/** A JSON object of hostile origin: read members with `readMember` only. */
export type JsonObject = Readonly<Record<string, unknown>>

export type JsonResult = { readonly object: JsonObject } | { readonly fault: string }

/** Real tokens and key sets nest to about 6; a delegation chain (RFC 8693 `act`) adds one level for each actor. */
const DEPTH_MAX = 32

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses bytes that must be one JSON object, strictly: valid UTF-8 without a byte order mark, no member name twice in one
 * object, no lone surrogate in any string, nesting up to 32.
 * RFC 8259 §4 leaves duplicate names open, so two parsers may read two different tokens from one signature.
 * The caller bounds the size.
 */
export function parseJsonObject(bytes: Uint8Array): JsonResult {
  let text: string
  let value: unknown
  try {
    text = UTF8.decode(bytes)
  } catch {
    return { fault: 'is not UTF-8' }
  }
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which is not ours to repeat.
    return { fault: 'is not JSON' }
  }
  if (!isJsonObject(value)) return { fault: 'is not a JSON object' }
  const fault = findFault(text)
  return fault === undefined ? { object: value } : { fault }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An own member, or undefined. JSON has no `undefined`, so that always means absent. */
export function readMember(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** Walks the strings and brackets of a text that `JSON.parse` accepted: a string before a colon is a member name. */
function findFault(json: string): string | undefined {
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < json.length; at += 1) {
    const character = json[at]
    if (character === '{') open.push(new Set())
    else if (character === '[') open.push(undefined)
    else if (character === '}' || character === ']') open.pop()
    else if (character === '"') {
      const end = endOfString(json, at)
      const string = unescapeString(json.slice(at, end))
      if (!string.isWellFormed()) return 'holds a lone surrogate'
      if (isMemberName(json, end)) {
        const names = open.at(-1)
        if (names?.has(string)) return 'holds a member name twice'
        names?.add(string)
      }
      at = end - 1
    }
    if (open.length > DEPTH_MAX) return `nests deeper than ${DEPTH_MAX}`
  }
  return undefined
}

/** The place after the closing quote of the string that starts at `start`. */
function endOfString(json: string, start: number): number {
  let at = start + 1
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1
  return at + 1
}

function unescapeString(quoted: string): string {
  return quoted.includes('\\') ? String(JSON.parse(quoted)) : quoted.slice(1, -1)
}

function isMemberName(json: string, end: number): boolean {
  let at = end
  while (json[at] === ' ' || json[at] === '\t' || json[at] === '\n' || json[at] === '\r') at += 1
  return json[at] === ':'
}
