import { SEARCH_STATEMENTS, type NamedStatement } from './audit-statements.ts'
import { RECORDED_STATEMENTS } from './decision-reader.ts'
import { EVIDENCE_STATEMENTS } from './evidence-statements.ts'
import { LIVE_SESSION_STATEMENTS } from './live-sessions.ts'

/** Every SQL statement by which the tables of the audit are read, once in each of its forms, with values that find nothing. */
export const AUDIT_STATEMENTS: readonly NamedStatement[] = [
  ...SEARCH_STATEMENTS,
  ...EVIDENCE_STATEMENTS,
  ...LIVE_SESSION_STATEMENTS,
  ...RECORDED_STATEMENTS,
]
