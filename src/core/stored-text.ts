/** What a person must not be shown raw, or the database cannot hold: control characters, line separators, lone surrogates. */
const HARMFUL = /[\p{Cc}\p{Cs}\u2028\u2029]/gu

/** Room for the mark of a cut and seven digits. */
const MARK_CHARACTERS = 24

/**
 * Makes a text of a client fit for a column of `max` characters. Harmful characters are written as `\u` and four hex digits; what
 * is too long is cut and ends in `…(+N characters)`. A decision is recorded whatever the client sends.
 */
export function storedText(text: string, max: number): string {
  const escaped = HARMFUL.test(text) ? text.replaceAll(HARMFUL, escape) : text
  HARMFUL.lastIndex = 0
  if (escaped.length <= max) return escaped
  const kept = withoutHalfPair(escaped.slice(0, max - MARK_CHARACTERS))
  // Through bytes, as a slice keeps the whole text in memory.
  return new TextDecoder().decode(new TextEncoder().encode(`${kept}…(+${escaped.length - kept.length} characters)`))
}

/** `storedText` of each, of at most `countMax` of them; the last one tells how many are left out. */
export function storedTexts(texts: readonly string[], countMax: number, max: number): string[] {
  const stored = texts.slice(0, countMax).map((text) => storedText(text, max))
  if (texts.length > countMax) stored.push(`…(+${texts.length - countMax} more)`)
  return stored
}

/** Whether a stored text may be the rest of a longer one, or stand for those of a list that were left out. */
export function isCutText(stored: string): boolean {
  return /…\(\+[0-9]+ (?:characters|more)\)$/.test(stored)
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function withoutHalfPair(text: string): string {
  return text.isWellFormed() ? text : text.slice(0, -1)
}
