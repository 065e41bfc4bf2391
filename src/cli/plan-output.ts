import { plannedSides, type Plan, type PlannedChange } from '../core/plan.ts'
import type { AffectedSession, AffectedSessions } from '../service/affected-sessions.ts'
import { formatInstant, formatOptionalInstant } from './instant.ts'
import type { CliIo } from './io.ts'
import { writeOutput, type OutputFormat } from './output.ts'
import { visible } from './visible.ts'
import { differences, programRow, writtenRow } from './written-row.ts'

/** What is shown of a plan. */
export interface ShownPlan {
  readonly plan: Plan
  readonly unchanged?: number
  readonly unclaimed?: number
  /** Absent where nobody looked, `failure` when that was tried. */
  readonly sessions?: AffectedSessions | { readonly failure: string }
}

interface WrittenChange {
  readonly change: 'add' | 'change' | 'remove'
  readonly kind: string
  readonly row: string
  readonly before: Record<string, unknown> | undefined
  readonly after: Record<string, unknown> | undefined
}

/** People read no more; all of it is in the saved plan and in the forms for programs. */
const SHOWN_CHANGES_MAX = 500
const SHOWN_SESSIONS_MAX = 100

const SIGNS = { add: '+', change: '~', remove: '-' } as const

export function writePlan(io: CliIo, format: OutputFormat, shown: ShownPlan): void {
  const { plan, sessions } = shown
  const summary = summaryOf(shown)
  writeOutput<WrittenChange>(io, format, {
    columns: [
      { heading: 'CHANGE', cell: ({ change }) => change },
      { heading: 'KIND', cell: ({ kind }) => kind },
      { heading: 'ROW', cell: ({ row }) => row },
    ],
    records: format === 'table' ? [] : plan.changes.map(written),
    ...(format === 'json' || format === 'yaml'
      ? {
          document: {
            scope: plan.scope,
            summary,
            changes: plan.changes.map(written),
            sessions: sessions === undefined ? undefined : programSessions(sessions),
          },
        }
      : {}),
    ...(format === 'table' ? { text: textOf(shown, summary) } : {}),
  })
}

function summaryOf({ plan, unchanged, unclaimed }: ShownPlan) {
  const count = (wanted: WrittenChange['change']): number =>
    plan.changes.filter((planned) => changeOf(planned) === wanted).length
  return { add: count('add'), change: count('change'), remove: count('remove'), unchanged, unclaimed }
}

function changeOf({ before, after }: PlannedChange): WrittenChange['change'] {
  return before === undefined ? 'add' : after === undefined ? 'remove' : 'change'
}

function written(planned: PlannedChange): WrittenChange {
  const { before, after } = plannedSides(planned)
  const row = after ?? before
  return {
    change: changeOf(planned),
    kind: planned.kind,
    row: row === undefined ? '' : writtenRow(row),
    before: before && programRow(before),
    after: after && programRow(after),
  }
}

function textOf(shown: ShownPlan, summary: ReturnType<typeof summaryOf>): string {
  const { changes } = shown.plan
  const lines = changes.slice(0, SHOWN_CHANGES_MAX).flatMap(linesOf)
  if (changes.length > SHOWN_CHANGES_MAX) lines.push(`… and ${changes.length - SHOWN_CHANGES_MAX} more changes`)
  if (lines.length > 0) lines.push('')
  const { add, change, remove, unchanged, unclaimed = 0 } = summary
  const same = unchanged === undefined ? '' : `, ${unchanged} unchanged`
  lines.push(`Rows: ${add} to add, ${change} to change, ${remove} to remove${same}.`)
  if (unclaimed > 0)
    lines.push(`${unclaimed} rows of the scope are in no document and stay; --prune would remove them.`)
  if (shown.sessions !== undefined) lines.push(...sessionLines(shown.sessions))
  return `${lines.map(visible).join('\n')}\n`
}

function linesOf(planned: PlannedChange): string[] {
  const { before, after } = plannedSides(planned)
  const { change, row } = written(planned)
  const head = `${SIGNS[change]} ${row}`
  if (before === undefined || after === undefined) return [head]
  return [
    head,
    ...differences(before, after).map(
      ({ field, before: was, after: is }) => `    ${field}: ${was || '∅'} → ${is || '∅'}`,
    ),
  ]
}

function sessionLines(sessions: NonNullable<ShownPlan['sessions']>): string[] {
  if ('failure' in sessions) return [`Sessions: could not be looked at: ${sessions.failure}`]
  const { affected, looked, isComplete } = sessions
  const count = (kind: string): number => affected.filter(({ effect }) => effect.kind === kind).length
  const part = isComplete
    ? `of ${looked} that may be going on`
    : `of the newest ${looked}; the others were not looked at`
  const lines = [`Sessions: ${count('cut')} cut, ${count('narrowed')} narrowed, ${count('widened')} widened, ${part}.`]
  for (const session of affected.slice(0, SHOWN_SESSIONS_MAX)) lines.push(...linesOfSession(session))
  if (affected.length > SHOWN_SESSIONS_MAX) lines.push(`  … and ${affected.length - SHOWN_SESSIONS_MAX} more`)
  return lines
}

function linesOfSession(affected: AffectedSession): string[] {
  const { effect, principal, account, client, until, missing } = programSession(affected)
  const why = affected.effect.reason === undefined ? '' : `: ${affected.effect.reason}`
  const unsure = missing === undefined ? '' : ` (its row does not hold ${missing.join(', ')})`
  return [
    `  ${effect.padEnd(8)} ${principal} ${account} ${client} until ${until}${why}${unsure}`,
    ...affected.effect.lost.map((entry) => `           - ${entry}`),
    ...affected.effect.gained.map((entry) => `           + ${entry}`),
  ]
}

function programSessions(sessions: NonNullable<ShownPlan['sessions']>): object {
  if ('failure' in sessions) return sessions
  const { affected, looked, isComplete } = sessions
  return { looked, isComplete, affected: affected.map(programSession) }
}

function programSession({ session, effect }: AffectedSession) {
  const { made, account = '', sessionExpiresAtMs = 0, connection, missing } = session
  const { serverName, connectionId, clientName } = connection
  return {
    effect: effect.kind as string,
    reason: effect.reason,
    lost: effect.lost,
    gained: effect.gained,
    principal: made === undefined ? '' : `${made.identity.kind}:${made.identity.issuerId}:${made.identity.subject}`,
    account,
    client: `${made?.connection.host ?? ''} ${clientName ?? ''} on ${serverName} ${connectionId ?? ''}`.trim(),
    until: formatInstant(sessionExpiresAtMs),
    decidedAt: formatOptionalInstant(session.decidedAtMs),
    decisionId: session.id,
    missing: missing.length === 0 ? undefined : missing,
  }
}
