import type { DecisionFacts } from '../core/decision-difference.ts'
import type { Permissions, SubjectPermission } from '../core/permissions.ts'
import type { RecordedInFull } from '../core/recorded-decision.ts'
import { decodeRecordedDecision, RECORDED_DECISION_COLUMNS } from './decision-inputs.ts'
import { misshapen, objectOf, parseRecorded } from './recorded-json.ts'
import { DECISIONS } from './schema.ts'
import type { DecisionColumn } from './schema.ts'
import { isCutText } from '../core/stored-text.ts'
import { RowReader } from './values.ts'
import type { Row } from './values.ts'

const FACT_COLUMNS = [
  'ReasonDetail',
  'Permissions',
  'GrantIds',
  'SkippedGrants',
  'LockIds',
] as const satisfies readonly DecisionColumn[]

/** What `decodeRecordedInFull` reads, in its order. */
export const RECORDED_IN_FULL_COLUMNS = [...RECORDED_DECISION_COLUMNS, ...FACT_COLUMNS]

/** Decodes a row of `RECORDED_IN_FULL_COLUMNS`. Throws `RowShapeError`; nothing is repaired. */
export function decodeRecordedInFull(row: Row): RecordedInFull {
  const recorded = decodeRecordedDecision(row.slice(0, RECORDED_DECISION_COLUMNS.length))
  const reader = new RowReader(DECISIONS, FACT_COLUMNS, row.slice(RECORDED_DECISION_COLUMNS.length))
  const detail = reader.optionalString()
  const permissions = reader.optionalString()
  const grantIds = reader.optionalStrings() ?? []
  const skips = skipsOf(parseRecorded(reader.string(), 'SkippedGrants'))
  const lockIds = reader.optionalStrings() ?? []
  const { outcome, reason, account, decidedAtMs, sessionExpiresAtMs } = recorded
  const lengthMs = sessionExpiresAtMs === undefined ? undefined : sessionExpiresAtMs - decidedAtMs
  const facts: DecisionFacts = {
    outcome,
    ...(reason !== undefined && { reason }),
    ...(account !== undefined && { account }),
    ...(permissions !== undefined && { permissions: permissionsOf(parseRecorded(permissions, 'Permissions')) }),
    ...(lengthMs !== undefined && { session: { shortestMs: lengthMs, longestMs: lengthMs } }),
    grantIds,
    lockIds,
    ...skips,
  }
  return { ...recorded, facts, ...(detail !== undefined && { detail }), cut: cutInputs(recorded) }
}

function permissionsOf(value: unknown): Permissions {
  const { publish, subscribe, responses } = objectOf(value, 'Permissions', ['publish', 'subscribe', 'responses'])
  const sides = { publish: sideOf(publish), subscribe: sideOf(subscribe) }
  if (responses === undefined) return sides
  const { max, ttlMs } = objectOf(responses, 'Permissions', ['max', 'ttlMs'])
  if (typeof max !== 'number' || typeof ttlMs !== 'number') throw misshapen('Permissions')
  return { ...sides, responses: { max, ttlMs } }
}

function sideOf(value: unknown): SubjectPermission {
  const { allow, deny } = objectOf(value, 'Permissions', ['allow', 'deny'])
  return { allow: entriesOf(allow), deny: entriesOf(deny) }
}

function entriesOf(value: unknown): string[] {
  const isList = Array.isArray(value) && value.every((entry) => typeof entry === 'string')
  if (!isList) throw misshapen('Permissions')
  return value
}

function skipsOf(value: unknown): Pick<DecisionFacts, 'skipped' | 'skippedBesides'> {
  if (!Array.isArray(value)) throw misshapen('SkippedGrants')
  const skipped: { id: string; why: string }[] = []
  let skippedBesides = 0
  for (const [index, entry] of value.entries()) {
    const { id, why, more } = objectOf(entry, 'SkippedGrants', ['id', 'why', 'more'])
    if (typeof id === 'string' && typeof why === 'string' && more === undefined) skipped.push({ id, why })
    else if (index === value.length - 1 && isCount(more) && id === undefined && why === undefined) skippedBesides = more
    else throw misshapen('SkippedGrants')
  }
  return { skipped, skippedBesides }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0
}

/** Of the texts that a decision looks at, those that were too long for the row. */
function cutInputs({ made }: ReturnType<typeof decodeRecordedDecision>): string[] {
  if (made === undefined) return []
  const { groups, attributes } = made.identity
  return [
    ...(groups.some(isCutText) ? ['groups'] : []),
    ...(Object.entries(attributes).flat().some(isCutText) ? ['attributes'] : []),
  ]
}
