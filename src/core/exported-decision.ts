import { textOf, type StoredColumns } from './stored-columns.ts'

/** One line for people. */
export function messageOfDecision(row: StoredColumns): string {
  const who = textOf(row, 'Principal') ?? textOf(row, 'Subject') ?? 'an unknown client'
  return textOf(row, 'Outcome') === 'ALLOW'
    ? `${who} was allowed into ${textOf(row, 'Account') ?? 'an account'}`
    : `${who} was refused: ${textOf(row, 'Reason') ?? 'no reason'}`
}
