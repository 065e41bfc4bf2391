/**
 * Control, format (bidirectional overrides, zero-width), line and paragraph separators, surrogates, and what Unicode has
 * drawn as nothing (fillers, joiners, variation selectors): invisible in a log, a table or a review, or not the same
 * after a round trip through UTF-8.
 */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u

/** What most names are made of; safe by every rule below, and told at a tenth of the cost. */
const PRINTABLE_ASCII = /^[ -~]+$/

/**
 * Whether a text can be shown, stored and compared without a surprise: well-formed, in NFC, no hidden characters,
 * 1 to `maxBytes` bytes of UTF-8. A lone surrogate would become U+FFFD in UTF-8, so that two different subjects met in
 * one row; text outside NFC looks like another that is not equal.
 */
export function isSafeText(text: string, maxBytes: number): boolean {
  if (text.length <= maxBytes && PRINTABLE_ASCII.test(text)) return true
  return (
    text !== '' &&
    text.length <= maxBytes &&
    text.isWellFormed() &&
    !HIDDEN.test(text) &&
    Buffer.byteLength(text) <= maxBytes &&
    text.normalize('NFC') === text
  )
}
