import { randomUUID } from 'node:crypto'
import type { Config } from '../config/config.ts'
import { isAccountName } from '../core/account-name.ts'
import { parseAddressBlock } from '../core/cidr.ts'
import {
  CONNECTION_TYPES,
  isConnectionType,
  SOURCE_CIDRS_MAX,
  type ConnectionCondition,
  type TlsRequirement,
} from '../core/connection-condition.ts'
import { isResourceAction, type Action, type Effect, type GrantAction } from '../core/grant.ts'
import { parsePrincipal } from '../core/principal.ts'
import { compileResourceAction } from '../core/resource-action.ts'
import { covers, parseSubjectPattern, problemOfQueue, type SubjectPattern } from '../core/subject.ts'
import { needsForce, wideReach, type WideGrant } from '../core/wide-grant.ts'
import type { GrantRow } from '../core/policy-row.ts'
import { actorOf, reasonOf } from './actor.ts'
import type { EditOptions } from './command-options.ts'
import { windowOf } from './instant.ts'
import { CommandFailure, EXIT } from './io.ts'
import { allowedResources, resourceProblems, responseFrom, type ResourceOptions } from './resource-input.ts'

/** The options of `callout grants add` as they were written. */
export interface GrantOptions extends EditOptions, ResourceOptions {
  readonly principal: string
  readonly account: string
  readonly publish?: readonly string[]
  readonly from?: string
  readonly until?: string
  readonly connectionType?: readonly string[]
  readonly sourceCidr?: readonly string[]
  readonly tls?: TlsRequirement
  /** Confirms grants that reach what hardly anybody means to give away. */
  readonly force?: boolean
}

/** The options of `callout grants list` that choose grants. */
export interface GrantSelection {
  readonly principal?: string
  readonly account?: string
  readonly subject?: string
}

/**
 * A grant for each subject and each action. Fails with a line for each thing that is wrong, before anything is sent to the database.
 */
export function grantsFrom(options: GrantOptions, nowMs: number): GrantRow[] {
  const problems = [
    ...problemsOf(options),
    ...resourceProblems(options),
    ...conditionProblems(options),
    ...unconfirmed(options),
  ]
  if (problems.length > 0) throw new CommandFailure(EXIT.usage, problems)
  const reason = reasonOf(options.reason)
  const createdBy = actorOf(options.actor)
  const window = windowOf(options, nowMs)
  const condition = conditionOf(options)
  const response = responseFrom(options)
  const effect = effectOf(options)
  const grantFor = (action: GrantAction, subject: string): GrantRow => ({
    id: randomUUID(),
    principal: options.principal,
    account: options.account,
    effect,
    action,
    subject,
    ...(action === 'subscribe' && options.queue !== undefined ? { queue: options.queue } : {}),
    ...(response !== undefined && mayAnswer(action) ? { response } : {}),
    ...window,
    ...(condition === undefined ? {} : { condition }),
    ...(needsForce({ effect, action, subject }) ? { forced: true } : {}),
    reason,
    createdBy,
  })
  return [
    ...(options.publish ?? []).map((subject) => grantFor('publish', subject)),
    ...(options.subscribe ?? []).map((subject) => grantFor('subscribe', subject)),
    ...allowedResources(options).map(({ action, subject }) => grantFor(action, subject)),
  ]
}

function mayAnswer(action: GrantAction): boolean {
  return action === 'subscribe' || action === 'service:offer'
}

function problemsOf({ principal, account, publish = [], subscribe = [], allow = [], queue }: GrantOptions): string[] {
  const problems: string[] = []
  const parsed = parsePrincipal(principal)
  if ('problem' in parsed) problems.push(`--principal ${JSON.stringify(principal)}: ${parsed.problem}`)
  if (!isAccountName(account)) problems.push('--account must be 1 to 128 characters without white space')
  if (publish.length + subscribe.length + allow.length === 0)
    problems.push('say what is granted with --publish, --subscribe or --allow')
  for (const [option, subjects] of [
    ['--publish', publish],
    ['--subscribe', subscribe],
  ] as const) {
    for (const subject of subjects) {
      const pattern = parseSubjectPattern(subject)
      if ('problem' in pattern) problems.push(`${option} ${JSON.stringify(subject)}: ${pattern.problem}`)
    }
  }
  if (queue === undefined) return problems
  if (publish.length > 0) problems.push('--queue goes with --subscribe only; add the --publish grants apart')
  const problem = problemOfQueue(queue)
  if (problem !== undefined) problems.push(`--queue ${JSON.stringify(queue)}: ${problem}`)
  return problems
}

function conditionProblems({ connectionType = [], sourceCidr = [], tls, deny }: GrantOptions): string[] {
  const problems = connectionType
    .filter((type) => !isConnectionType(type))
    .map((type) => `--connection-type ${JSON.stringify(type)}: must be one of ${CONNECTION_TYPES.join(', ')}`)
  for (const cidr of sourceCidr) {
    const parsed = parseAddressBlock(cidr)
    if ('problem' in parsed) problems.push(`--source-cidr ${JSON.stringify(cidr)}: ${parsed.problem}`)
  }
  if (new Set(sourceCidr).size > SOURCE_CIDRS_MAX) problems.push(`--source-cidr: more than ${SOURCE_CIDRS_MAX} blocks`)
  if (tls !== undefined && deny === true)
    problems.push('--tls does not go with --deny: a client would escape the denial by leaving TLS out')
  return problems
}

function effectOf({ deny }: GrantOptions): Effect {
  return deny === true ? 'deny' : 'allow'
}

/** Options and subjects that reach more than they should without a second thought, each with why. */
function wideSubjects(options: GrantOptions): { readonly written: string; readonly wide: WideGrant }[] {
  const effect = effectOf(options)
  return (['publish', 'subscribe'] as const).flatMap((action) =>
    (options[action] ?? []).flatMap((subject) =>
      wideReach({ effect, action, subject }).map((wide) => ({
        written: `--${action} ${JSON.stringify(subject)}`,
        wide,
      })),
    ),
  )
}

function unconfirmed(options: GrantOptions): string[] {
  if (options.force === true) return []
  const wide = wideSubjects(options).filter(({ wide: { needsForce: isTooWide } }) => isTooWide)
  return [...Map.groupBy(wide, ({ written }) => written)].map(
    ([written, [first]]) => `${written} ${first?.wide.why}; if that is meant, add it with --force`,
  )
}

function conditionOf({ connectionType, sourceCidr, tls }: GrantOptions): ConnectionCondition | undefined {
  if (connectionType === undefined && sourceCidr === undefined && tls === undefined) return undefined
  return {
    ...(connectionType === undefined ? {} : { connectionTypes: [...new Set(connectionType)] }),
    ...(sourceCidr === undefined ? {} : { sourceCidrs: [...new Set(sourceCidr)] }),
    ...(tls === undefined ? {} : { tls }),
  }
}

/** What is allowed but has no effect with this configuration, or more effect than it may seem. */
export function warningsFor(options: GrantOptions, config: Config): string[] {
  const { principal, account } = options
  const parsed = parsePrincipal(principal)
  const issuerId = 'principal' in parsed ? parsed.principal.issuerId : undefined
  const warnings: string[] = []
  if (issuerId !== undefined && !config.issuers.some(({ id }) => id === issuerId)) {
    warnings.push(`no issuer of the configuration has the id ${issuerId}`)
  }
  if (!config.callout.accounts.has(account)) {
    warnings.push(`callout.accounts of the configuration does not list ${JSON.stringify(account)}`)
  }
  for (const { written, wide } of wideSubjects(options)) {
    if (wide.reach === 'inboxes') warnings.push(`${written} ${wide.why}`)
  }
  return warnings
}

/** Fails with a line for each thing that is wrong. Returns whether a grant is for the wanted subject, for any when none is. */
export function subjectFilter({
  principal,
  subject,
}: GrantSelection): (grant: Pick<GrantRow, 'action' | 'subject'>) => boolean {
  const problems: string[] = []
  const parsed = principal === undefined ? undefined : parsePrincipal(principal)
  if (parsed !== undefined && 'problem' in parsed)
    problems.push(`--principal ${JSON.stringify(principal)}: ${parsed.problem}`)
  const wanted = subject === undefined ? undefined : parseSubjectPattern(subject)
  if (wanted !== undefined && 'problem' in wanted)
    problems.push(`--subject ${JSON.stringify(subject)}: ${wanted.problem}`)
  if (problems.length > 0) throw new CommandFailure(EXIT.usage, problems)
  if (wanted === undefined || 'problem' in wanted) return () => true
  return (grant) => coversSubject(grant, wanted.pattern)
}

/** Whether what a grant names, with any values for its variables, covers the subject; on one side of the permissions, or on either. */
export function coversSubject(
  grant: Pick<GrantRow, 'action' | 'subject'>,
  wanted: SubjectPattern,
  side?: Action,
): boolean {
  return grantedPatterns(grant, side).some((granted) => covers(withoutVariables(granted), wanted))
}

function grantedPatterns({ action, subject }: Pick<GrantRow, 'action' | 'subject'>, side?: Action): SubjectPattern[] {
  if (!isResourceAction(action)) return side === undefined || side === action ? patternsOf(subject) : []
  const [, variable] = /^\{\{(.*)\}\}$/.exec(subject) ?? []
  const compiled = compileResourceAction(action, subject, variable === undefined ? {} : { [variable]: UNKNOWN_NAME })
  if (!('publish' in compiled)) return []
  const sides = side === undefined ? [...compiled.publish, ...compiled.subscribe] : compiled[side]
  return sides.flatMap(patternsOf).map(({ tokens }) => ({
    tokens: tokens.map((token) =>
      variable !== undefined && token.kind === 'literal' && token.text.includes(UNKNOWN_NAME) ? { kind: 'any' } : token,
    ),
  }))
}

/** Stands for the value of a variable while an action is compiled; no name that anybody gives. */
const UNKNOWN_NAME = 'NameThatIsKnownOnlyWhenAClientConnects'

function patternsOf(subject: string): SubjectPattern[] {
  const parsed = parseSubjectPattern(subject)
  return 'pattern' in parsed ? [parsed.pattern] : []
}

/** What a variable stands for is known only when a client connects. */
function withoutVariables({ tokens }: SubjectPattern): SubjectPattern {
  return { tokens: tokens.map((token) => (token.kind === 'variable' ? { kind: 'any' } : token)) }
}
