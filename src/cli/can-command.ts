import type { Action } from '../core/grant.ts'
import { permits, type Permitted } from '../core/permits.ts'
import { parseSubjectPattern, problemOfQueue, type SubjectPattern } from '../core/subject.ts'
import { grantsOfEntry, traceDecision, type GrantTrace, type Trace } from '../core/trace.ts'
import { assumedDecision, assumedIdentity, warnOfUnknownIssuer, type ClientOptions } from './assumed-client.ts'
import { EXIT, usageFailure, type CliIo } from './io.ts'
import { writeOutput, type OutputFormat } from './output.ts'
import { openKnownStore } from './store.ts'

export interface CanQuestion {
  readonly principal: string
  readonly action: string
  readonly subject: string
}

export interface CanOptions extends ClientOptions {
  readonly queue?: string
  readonly at?: string
  readonly output: OutputFormat
}

/**
 * `callout can`: what the service would decide now, or would have decided, and whether that permits the action. Returns 0 for yes, 1 for
 * no or in part.
 */
export async function can(configFile: string, asked: CanQuestion, options: CanOptions, io: CliIo): Promise<number> {
  const identity = assumedIdentity(asked.principal, options)
  const action = actionOf(asked.action)
  const subject = patternOf(asked.subject)
  checkQueue(action, options.queue)
  await using store = await openKnownStore(configFile, io)
  warnOfUnknownIssuer(store.config, identity, io)
  const { input } = await assumedDecision(store, identity, options)
  const trace = traceDecision(input)
  const permitted = answerOf(trace, {
    action,
    subject,
    ...(options.queue === undefined ? {} : { queue: options.queue }),
  })
  writeAnswer(io, options.output, action, trace, permitted)
  return permitted.verdict === 'yes' ? EXIT.ok : EXIT.failure
}

interface Asked {
  readonly action: Action
  readonly subject: SubjectPattern
  readonly queue?: string
}

function answerOf({ decision }: Trace, asked: Asked): Permitted {
  return decision.outcome === 'allow' ? permits(decision.permissions, asked) : { verdict: 'no', because: [] }
}

interface Because {
  readonly entry: string
  readonly grant?: GrantTrace['grant']
}

function writeAnswer(
  io: CliIo,
  format: OutputFormat,
  action: Action,
  trace: Trace,
  { verdict, because }: Permitted,
): void {
  const { decision } = trace
  const refused = decision.outcome === 'deny' ? decision : undefined
  const records = because.flatMap((entry): Because[] => {
    const grants = grantsOfEntry(trace, action, entry)
    return grants.length === 0 ? [{ entry }] : grants.map(({ grant }) => ({ entry, grant }))
  })
  const skipped = trace.grants.flatMap(({ grant, why }) => (why === undefined ? [] : [{ id: grant.id, why }]))
  const summary = {
    verdict,
    ...(refused === undefined ? {} : { refused: refused.reason, detail: refused.detail }),
    ...(decision.outcome === 'allow' ? { account: decision.account } : {}),
  }
  if (format === 'table') io.stdout.write(`${sentence(summary)}\n`)
  if (format === 'table' && records.length === 0) return
  writeOutput(io, format, {
    columns: [
      { heading: 'BECAUSE OF', cell: ({ entry }) => entry },
      { heading: 'GRANT', cell: ({ grant }) => grant?.id ?? 'of the account, or a guard' },
      { heading: 'EFFECT', cell: ({ grant }) => grant?.effect ?? '' },
      { heading: 'PRINCIPAL', cell: ({ grant }) => grant?.principal ?? '' },
    ],
    records,
    document: { ...summary, because: records, skipped },
  })
}

function sentence({
  verdict,
  refused,
  detail,
  account,
}: {
  verdict: string
  refused?: string
  detail?: string | undefined
  account?: string
}): string {
  if (refused !== undefined) return `no: refused with ${refused}${detail === undefined ? '' : ` (${detail})`}`
  return verdict === 'partly' ? `in part, in account ${account}` : `${verdict}, in account ${account}`
}

/** Fails with what to write when it is none. */
export function actionOf(text: string): Action {
  if (text === 'publish' || text === 'subscribe') return text
  throw usageFailure('the action is "publish" or "subscribe"')
}

/** A subject as a question names it; fails with what is wrong. */
export function patternOf(text: string): SubjectPattern {
  const parsed = parseSubjectPattern(text)
  if ('problem' in parsed) throw usageFailure(`${JSON.stringify(text)}: ${parsed.problem}`)
  if (parsed.pattern.tokens.some(({ kind }) => kind === 'variable'))
    throw usageFailure('a subject that is asked for holds no variable')
  return parsed.pattern
}

function checkQueue(action: Action, queue: string | undefined): void {
  if (queue === undefined) return
  if (action === 'publish') throw usageFailure('--queue goes with subscribe')
  const problem = problemOfQueue(queue)
  if (problem !== undefined) throw usageFailure(`--queue ${JSON.stringify(queue)}: ${problem}`)
}
