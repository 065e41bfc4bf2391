import type { DecisionDifference } from '../core/decision-difference.ts'
import { isDecisionId } from '../core/decision-id.ts'
import { lockKeys } from '../core/locks.ts'
import { principalOf } from '../core/principal.ts'
import type { RecordedInFull } from '../core/recorded-decision.ts'
import { differencesFromRecord, differencesLater, inputAsThen, rerunInputs, type NothingToRun } from '../core/rerun.ts'
import { traceDecision } from '../core/trace.ts'
import { systemClock as clock } from '../service/clock.ts'
import { createDecisionReader } from '../spanner/decision-reader.ts'
import { recordRead, type ReaderOptions } from './audit-access.ts'
import { rulesOf } from './assumed-client.ts'
import { explanation, section, writeExplanation, type Explained } from './explain-output.ts'
import { formatInstant, formatOptionalInstant, parsePastInstant } from './instant.ts'
import { CommandFailure, EXIT, usageFailure, warn, type CliIo } from './io.ts'
import { writeOutput, type Column, type OutputFormat } from './output.ts'
import { readPolicy, writtenSource, type PolicySource } from './policy-reading.ts'
import { openKnownStore } from './store.ts'
import { visible } from './visible.ts'

export interface ExplainDecisionOptions extends ReaderOptions {
  /** Rows of then, in place of those of now, are what is compared with. */
  readonly at?: string
  readonly output: OutputFormat
}

interface Rerun {
  readonly recorded: RecordedInFull
  readonly again: Explained
  /** Between the record and the decision made again. */
  readonly differences: readonly DecisionDifference[]
  readonly later: {
    readonly atMs: number
    readonly grantsReadAt: string
    readonly source: PolicySource
    readonly differences: readonly DecisionDifference[]
  }
}

/**
 * `callout explain --decision`: makes a recorded decision again, with its own inputs, on the rows of its own time, and compares it with
 * the record; then on the rows of now. Returns 0 when the record says the same, 1 when it does not or there is nothing to make again.
 */
export async function explainDecision(
  configFile: string,
  id: string,
  options: ExplainDecisionOptions,
  io: CliIo,
): Promise<number> {
  const { at, output } = options
  if (!isDecisionId(id))
    throw usageFailure('--decision must be an id as the audit has it: a UUID of version 7, in lower case')
  const startedMs = clock.nowMs()
  const laterMs = at === undefined ? startedMs : parsePastInstant(at, '--at', startedMs)
  await using store = await openKnownStore(configFile, io)
  await recordRead(store, options, 'explain', { decision: id, at })
  const recorded = await createDecisionReader(store.database, clock).find(id)
  if (recorded === undefined) throw new CommandFailure(EXIT.conflict, [`the audit has no decision ${id}`])
  const found = rerunInputs(recorded)
  if ('nothing' in found) return writeNothing(io, output, recorded, found.nothing)

  const { inputs, grantsReadAt } = found
  const rules = rulesOf(store.config)
  const keys = lockKeys(inputs.identity, rules.accounts.keys())
  const then = await readPolicy(store, keys, grantsReadAt)
  const input = inputAsThen(recorded, inputs, { policy: then.policy, rules })
  const later = await readPolicy(store, keys, at === undefined ? undefined : new Date(laterMs).toISOString())
  const rerun: Rerun = {
    recorded,
    again: { input, trace: traceDecision(input), source: then.source },
    differences: differencesFromRecord(recorded, input, store.config.session.jitter),
    later: {
      atMs: laterMs,
      grantsReadAt: later.policy.readTimestamp,
      source: later.source,
      differences: differencesLater(input, { policy: later.policy, rules, nowMs: laterMs }),
    },
  }
  warnOfLosses(recorded, io)
  writeRerun(io, output, rerun)
  return rerun.differences.length === 0 ? EXIT.ok : EXIT.failure
}

function warnOfLosses({ missing, cut }: RecordedInFull, io: CliIo): void {
  for (const part of missing)
    warn(io, `the row is of a release that recorded no ${part}; the decision may differ for it`)
  for (const part of cut)
    warn(io, `the row has the ${part} only as far as its columns are wide; the decision may differ for it`)
}

const WHY_NOTHING: Readonly<Record<NothingToRun, string>> = {
  token_not_accepted: 'it was made before anybody was known, by the token or its absence alone',
  grants_not_read: 'it was made before the grants were read',
}

function writeNothing(io: CliIo, format: OutputFormat, recorded: RecordedInFull, why: NothingToRun): number {
  writeOutput(io, format, {
    columns: DIFFERENCE_COLUMNS,
    records: [],
    document: { decision: recordedForm(recorded), nothingToRunAgain: why },
    text: [writtenRecord(recorded), `there is nothing to run again: ${WHY_NOTHING[why]}`, ''].map(visible).join('\n'),
  })
  return EXIT.failure
}

interface ComparedDifference extends DecisionDifference {
  readonly compared: 'record with rerun' | 'then with later'
}

const DIFFERENCE_COLUMNS: readonly Column<ComparedDifference>[] = [
  { heading: 'COMPARED', cell: ({ compared }) => compared },
  ...differenceColumns('FIRST', 'SECOND'),
]

function differenceColumns(first: string, second: string): Column<DecisionDifference>[] {
  return [
    { heading: 'WHAT', cell: ({ what }) => what },
    { heading: first, cell: (difference) => difference.first.join(', ') },
    { heading: second, cell: (difference) => difference.second.join(', ') },
  ]
}

function writeRerun(io: CliIo, format: OutputFormat, { recorded, again, differences, later }: Rerun): void {
  if (format !== 'table') {
    const { atMs, ...rest } = later
    return writeOutput(io, format, {
      columns: DIFFERENCE_COLUMNS,
      records: [
        ...differences.map((difference) => ({ compared: 'record with rerun' as const, ...difference })),
        ...later.differences.map((difference) => ({ compared: 'then with later' as const, ...difference })),
      ],
      document: {
        decision: recordedForm(recorded),
        isSame: differences.length === 0,
        differences,
        again: explanation(again),
        later: { at: formatInstant(atMs), isSame: later.differences.length === 0, ...rest },
      },
    })
  }
  const line = (text: string): void => void io.stdout.write(`${visible(text)}\n`)
  line(writtenRecord(recorded))
  line(`made again, it is ${differences.length === 0 ? 'the same' : 'different'}`)
  section(io, differenceColumns('ONLY RECORDED', 'ONLY MADE AGAIN'), differences)
  line('')
  writeExplanation(io, again)
  line('')
  const whether = later.differences.length === 0 ? 'nothing is different' : 'it would be different'
  line(`at ${formatInstant(later.atMs)}, ${writtenSource(later.grantsReadAt, later.source)}, ${whether}`)
  section(io, differenceColumns('ONLY THEN', 'ONLY LATER'), later.differences)
}

function writtenRecord({
  id,
  decidedAtMs,
  outcome,
  reason,
  detail,
  account,
  sessionExpiresAtMs,
}: RecordedInFull): string {
  const what =
    outcome === 'deny'
      ? `refused with ${reason ?? ''}${detail === undefined ? '' : ` (${detail})`}`
      : `allowed, in account ${account ?? ''} until ${formatOptionalInstant(sessionExpiresAtMs) ?? ''}`
  return `${id} at ${formatInstant(decidedAtMs)}: ${what}`
}

function recordedForm(recorded: RecordedInFull): object {
  const { id, decidedAtMs, made, sessionExpiresAtMs, grantsReadAt, detail, missing, cut, connection, facts } = recorded
  const { outcome, reason, account, permissions, grantIds, lockIds, skipped, skippedBesides } = facts
  return {
    id,
    decidedAt: formatInstant(decidedAtMs),
    outcome,
    reason,
    detail,
    principal: made === undefined ? undefined : principalOf(made.identity),
    account,
    sessionExpiresAt: formatOptionalInstant(sessionExpiresAtMs),
    permissions,
    grantIds,
    lockIds,
    skipped,
    skippedBesides,
    grantsReadAt,
    connection,
    missing,
    cut,
  }
}
