/** What a terminal obeys, hides or turns around, and lone surrogates. */
const NOT_VISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** Makes text from elsewhere safe to show on a terminal: every such character becomes its code, `\u{1b}`. */
export function visible(text: string): string {
  return text.replace(NOT_VISIBLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}
