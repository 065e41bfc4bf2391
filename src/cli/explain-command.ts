import type { Identity } from '../core/identity.ts'
import { traceDecision } from '../core/trace.ts'
import { assumedDecision, assumedIdentity, warnOfUnknownIssuer, type ClientOptions } from './assumed-client.ts'
import { loadConfig } from './configuration.ts'
import type { ReaderOptions } from './audit-access.ts'
import { explainDecision } from './explain-decision-command.ts'
import { explanation, GRANT_COLUMNS, writeExplanation } from './explain-output.ts'
import { EXIT, usageFailure, type CliIo } from './io.ts'
import { writeOutput, type OutputFormat } from './output.ts'
import { openKnownStore } from './store.ts'
import { writeVerification } from './token-command.ts'
import { verifyToken, type TokenOptions } from './token-verification.ts'

export interface ExplainOptions extends ClientOptions, Partial<TokenOptions>, ReaderOptions {
  /** Id of a decision. */
  readonly decision?: string
  readonly at?: string
  readonly output: OutputFormat
}

/**
 * `callout explain`: what the service decides for a principal, for whoever a token speaks for, or decided once, with every row that had to
 * do with it. Returns 0 when allowed, or when a decision made again is the same; 1 when refused or different.
 */
export async function explain(
  configFile: string,
  principal: string | undefined,
  options: ExplainOptions,
  io: CliIo,
): Promise<number> {
  const { tokenFile, certificateSha256, decision } = options
  if ([principal, tokenFile, decision].filter((named) => named !== undefined).length !== 1)
    throw usageFailure('name either a principal, --token-file or --decision')
  if (certificateSha256 !== undefined && tokenFile === undefined)
    throw usageFailure('--certificate-sha256 goes with --token-file')
  if (principal !== undefined) return explainIdentity(configFile, assumedIdentity(principal, options), options, io)
  if (options.group !== undefined || options.attribute !== undefined)
    throw usageFailure('--group and --attribute go with a principal: a token and a decision say them')
  if (decision !== undefined) return explainRecorded(configFile, decision, options, io)
  return explainToken(configFile, { ...options, tokenFile: tokenFile ?? '-' }, io)
}

function explainRecorded(configFile: string, id: string, options: ExplainOptions, io: CliIo): Promise<number> {
  const { account, address, tls, connectionType } = options
  const isAssuming = [account, address, tls].some((option) => option !== undefined) || connectionType !== 'STANDARD'
  if (isAssuming) throw usageFailure('a decision says itself what account and connection it was made for')
  return explainDecision(configFile, id, options, io)
}

/** A token that is refused needs no store. */
async function explainToken(configFile: string, options: ExplainOptions & TokenOptions, io: CliIo): Promise<number> {
  const { verification, steps } = await verifyToken(await loadConfig(configFile), options, io)
  if (!verification.accepted) return writeVerification(io, options.output, steps, verification)
  return explainIdentity(configFile, verification.identity, options, io)
}

async function explainIdentity(
  configFile: string,
  identity: Identity,
  options: ExplainOptions,
  io: CliIo,
): Promise<number> {
  await using store = await openKnownStore(configFile, io)
  warnOfUnknownIssuer(store.config, identity, io)
  const { input, source } = await assumedDecision(store, identity, options)
  const explained = { input, source, trace: traceDecision(input) }
  if (options.output === 'table') writeExplanation(io, explained)
  else
    writeOutput(io, options.output, {
      columns: GRANT_COLUMNS,
      records: explained.trace.grants,
      document: explanation(explained),
    })
  return explained.trace.decision.outcome === 'allow' ? EXIT.ok : EXIT.failure
}
