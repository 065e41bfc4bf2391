import type { Action } from '../core/grant.ts'
import { parseQuestion, permitsOf, type Permitted, type Question } from '../core/permits.ts'
import { grantsByEntry, traceDecision, type GrantTrace, type Trace } from '../core/trace.ts'
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
  const question = questionOf(asked, options.queue)
  await using store = await openKnownStore(configFile, io)
  warnOfUnknownIssuer(store.config, identity, io)
  const { input } = await assumedDecision(store, identity, options)
  const trace = traceDecision(input)
  const permitted = permitsOf(trace.decision, question)
  writeAnswer(io, options.output, question.action, trace, permitted)
  return permitted.verdict === 'yes' ? EXIT.ok : EXIT.failure
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
  const grantsOf = grantsByEntry(trace)
  const records = because.flatMap((entry): Because[] => {
    const grants = grantsOf(action, entry)
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

/** Fails with what is wrong. */
export function questionOf(asked: { readonly action: string; readonly subject: string }, queue?: string): Question {
  const { action, subject } = asked
  if (action !== 'publish' && action !== 'subscribe') throw usageFailure('the action is "publish" or "subscribe"')
  const parsed = parseQuestion(action, subject, queue)
  const written = [subject, ...(queue === undefined ? [] : [queue])].map((text) => JSON.stringify(text)).join(' queue ')
  if ('problem' in parsed) throw usageFailure(`${written}: ${parsed.problem}`)
  return parsed.question
}
