/** What a terminal obeys, hides or turns around, and lone surrogates. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
const EVERY_HIDDEN = new RegExp(HIDDEN, 'gu')

/** Makes text from elsewhere safe to show on a terminal: every such character becomes its code, `\u{1b}`. */
export function visible(text: string): string {
  return text.replace(EVERY_HIDDEN, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

export function hasHidden(text: string): boolean {
  return HIDDEN.test(text)
}

/** Puts what `escape` makes of a code point, or of its UTF-16 code units, in the place of every such character but line feeds. */
export function withHiddenAs(
  text: string,
  escape: (codePoint: number, codeUnits: readonly number[]) => string,
): string {
  return text.replace(EVERY_HIDDEN, (character) => {
    if (character === '\n') return character
    const codeUnits = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
    return escape(character.codePointAt(0) ?? 0, codeUnits)
  })
}
