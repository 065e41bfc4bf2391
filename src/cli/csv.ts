import { visible } from './visible.ts'

/**
 * What a spreadsheet takes for a formula at the start of a cell, in any width and after blanks (OWASP, "CSV Injection"). A tab or
 * carriage return there is no danger: as every control character, it is written as its code.
 */
const FORMULA = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]/u
/** The semicolon divides cells where the comma is a decimal sign. */
const NEEDS_QUOTES = /[",;]|^\s|\s$/u

/** A line of CSV by RFC 4180. A cell that a spreadsheet would calculate gets an apostrophe before it, which makes it text. */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`
}

function csvCell(text: string): string {
  const shown = visible(text)
  const harmless = FORMULA.test(shown) ? `'${shown}` : shown
  return NEEDS_QUOTES.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}
