import { judgeCondition, type Connection, type UnmetCondition } from './connection-condition.ts'
import type { SkippedGrant } from './decision.ts'
import { DEFAULT_RESPONSE, isResourceAction, isResponsePermission } from './grant.ts'
import type { Grant, Policy, ResourceAction, ResponsePermission, RoleBinding, ValidityWindow } from './grant.ts'
import type { Identity } from './identity.ts'
import type { ExpandedGrant } from './permissions.ts'
import { grantedPrincipals } from './principal.ts'
import { compileResourceAction } from './resource-action.ts'
import { expandSubject, parseSubjectPattern, problemOfQueue } from './subject.ts'

/** A grant that names the identity, with its subjects expanded and its window narrowed by the role binding, if any. */
export interface AppliedGrant extends ValidityWindow {
  readonly id: string
  readonly account: string
  /** One for a raw subject, several for an action on a resource; never empty. */
  readonly subjects: readonly ExpandedGrant[]
  readonly response?: ResponsePermission
  /** Longest session of the role that the grant comes by. */
  readonly sessionMaxMs?: number
}

/** A deny in force whose subject cannot be made into a permission. */
export interface UnenforceableDeny {
  readonly id: string
  readonly account: string
  readonly problem: string
}

export interface AppliedGrants {
  readonly allows: AppliedGrant[]
  readonly denies: AppliedGrant[]
  /** Denies whose window opens later: a session must end before, whatever their subject. */
  readonly laterDenies: { readonly id: string; readonly account: string; readonly validFromMs: number }[]
  readonly unenforceable: UnenforceableDeny[]
  readonly skipped: SkippedGrant[]
}

/**
 * Sorts the grants of a policy by what they mean for this identity on this connection at `nowMs`. Rows of other principals
 * are ignored, so a store that returns too much cannot grant too much.
 */
export function appliedGrants(
  identity: Identity,
  connection: Connection,
  policy: Policy,
  nowMs: number,
): AppliedGrants {
  const result: AppliedGrants = { allows: [], denies: [], laterDenies: [], unenforceable: [], skipped: [] }
  const principals = new Set(grantedPrincipals(identity))
  const held = windowsByRole(policy.bindings, principals, nowMs)
  const situation = { connection, variables: variablesOf(identity), sessionMaxMs: sessionMaxima(policy), nowMs }
  for (const grant of policy.grants) {
    const windows = principals.has(grant.principal) ? [ALWAYS] : held.get(grant.principal)
    if (windows !== undefined) apply(grant, windows, situation, result)
  }
  return result
}

const ALWAYS: ValidityWindow = {}

interface Situation {
  readonly connection: Connection
  readonly variables: Readonly<Record<string, string>>
  /** By role. */
  readonly sessionMaxMs: ReadonlyMap<string, number>
  readonly nowMs: number
}

function sessionMaxima({ roles }: Policy): ReadonlyMap<string, number> {
  return new Map(roles.flatMap(({ role, sessionMaxMs }) => (sessionMaxMs === undefined ? [] : [[role, sessionMaxMs]])))
}

/** `held`: the windows in which the identity holds what is granted; never empty. */
function apply(
  grant: Grant,
  held: readonly ValidityWindow[],
  { connection, variables, sessionMaxMs, nowMs }: Situation,
  result: AppliedGrants,
): void {
  const windows = held.map((window) => intersect(grant, window)).filter((window) => !hasEnded(window, nowMs))
  if (windows.length === 0) return void result.skipped.push({ id: grant.id, why: 'expired' })
  const unmet = unmetCondition(grant, connection)
  if (unmet !== undefined) return void result.skipped.push({ id: grant.id, why: unmet })
  if (grant.effect === 'deny') {
    for (const { validFromMs } of windows)
      if (validFromMs !== undefined && validFromMs > nowMs)
        result.laterDenies.push({ id: grant.id, account: grant.account, validFromMs })
  }
  const window = windows.find((one) => startOf(one) <= nowMs)
  if (window === undefined) return void result.skipped.push({ id: grant.id, why: 'not_yet_valid' })
  const expanded = expand(grant, variables)
  if ('problem' in expanded) {
    if (grant.effect === 'deny')
      result.unenforceable.push({ id: grant.id, account: grant.account, problem: expanded.problem })
    return void result.skipped.push({ id: grant.id, why: expanded.why })
  }
  const roleMaxMs = sessionMaxMs.get(grant.principal)
  const applied: AppliedGrant = {
    ...window,
    ...expanded,
    id: grant.id,
    account: grant.account,
    ...(roleMaxMs === undefined ? {} : { sessionMaxMs: roleMaxMs }),
  }
  const sorted = grant.effect === 'deny' ? result.denies : result.allows
  sorted.push(applied)
}

/** What keeps the grant from this connection. A condition that cannot be told keeps an allow, and does not keep a deny. */
function unmetCondition({ effect, condition }: Grant, connection: Connection): UnmetCondition | undefined {
  if (condition === undefined) return undefined
  const verdict = judgeCondition(condition, connection)
  if (verdict.holds === 'yes') return undefined
  return verdict.holds === 'no' || effect === 'allow' ? verdict.why : undefined
}

type Expanded = Pick<AppliedGrant, 'subjects' | 'response'>
interface Unusable {
  readonly problem: string
  readonly why: 'subject_invalid' | 'variable_unresolved'
}

function expand(grant: Grant, variables: Readonly<Record<string, string>>): Expanded | Unusable {
  const response = responseOf(grant)
  if ('problem' in response) return response
  const { action } = grant
  const subjects = isResourceAction(action)
    ? expandResource(action, grant, variables)
    : expandRaw({ ...grant, action }, variables)
  return 'problem' in subjects ? subjects : { subjects, ...response }
}

/** A deny closes a subject, whatever else its row says. */
function responseOf({ action, effect, response }: Grant): Pick<AppliedGrant, 'response'> | Unusable {
  if (effect === 'deny') return {}
  if (response === undefined) return action === 'service:offer' ? { response: DEFAULT_RESPONSE } : {}
  if (action !== 'subscribe' && action !== 'service:offer') return invalid(`a response on ${action}`)
  return isResponsePermission(response) ? { response } : invalid('a response out of its bounds')
}

function expandResource(
  action: ResourceAction,
  { effect, subject: resource, queue }: Grant,
  variables: Readonly<Record<string, string>>,
): ExpandedGrant[] | Unusable {
  // The same subjects serve several actions, so a denied one would not take away what it names.
  if (effect === 'deny') return invalid(`${action} cannot be denied`)
  if (queue !== undefined) return invalid(`a queue group on ${action}`)
  const compiled = compileResourceAction(action, resource, variables)
  if ('problem' in compiled) return invalid(compiled.problem)
  if ('unresolved' in compiled) return unresolved(compiled.unresolved)
  return (['publish', 'subscribe'] as const).flatMap((side) =>
    compiled[side].map((subject) => ({ action: side, effect, subject })),
  )
}

function expandRaw(
  { action, effect, subject: text, queue }: ExpandedGrant,
  variables: Readonly<Record<string, string>>,
): ExpandedGrant[] | Unusable {
  const parsed = parseSubjectPattern(text)
  if ('problem' in parsed) return invalid(parsed.problem)
  const queueProblem =
    queue === undefined ? undefined : action === 'publish' ? 'a queue group on publish' : problemOfQueue(queue)
  if (queueProblem !== undefined) return invalid(queueProblem)
  const expanded = expandSubject(parsed.pattern, variables)
  if ('unresolved' in expanded) return unresolved(expanded.unresolved)
  return [{ action, effect, subject: expanded.subject, ...(queue === undefined ? {} : { queue }) }]
}

function invalid(problem: string): Unusable {
  return { problem, why: 'subject_invalid' }
}

function unresolved(variable: string): Unusable {
  return { problem: `the variable ${variable} has no value that fits a subject token`, why: 'variable_unresolved' }
}

/**
 * By role, those windows of the identity's bindings that make a difference at `nowMs` to any grant: of the open ones the one that lasts
 * longest, and of those that open later the first; one that has ended where there is no other. A role may be bound to every group
 * of a client and have as many grants as a policy holds, so neither is gone through for each of the other.
 */
function windowsByRole(
  bindings: readonly RoleBinding[],
  principals: ReadonlySet<string>,
  nowMs: number,
): ReadonlyMap<string, readonly ValidityWindow[]> {
  const held = Map.groupBy(
    bindings.filter(({ member }) => principals.has(member)),
    ({ role }) => role,
  )
  return new Map([...held].map(([role, windows]) => [role, decisiveWindows(windows, nowMs)]))
}

function decisiveWindows(windows: readonly ValidityWindow[], nowMs: number): readonly ValidityWindow[] {
  let open: ValidityWindow | undefined
  let next: ValidityWindow | undefined
  for (const window of windows) {
    if (hasEnded(window, nowMs)) continue
    if (startOf(window) > nowMs) next = next === undefined || startOf(window) < startOf(next) ? window : next
    else open = open === undefined || endOf(window) > endOf(open) ? window : open
  }
  const decisive = [open, next].filter((window) => window !== undefined)
  return decisive.length === 0 ? windows.slice(0, 1) : decisive
}

function hasEnded(window: ValidityWindow, nowMs: number): boolean {
  return endOf(window) <= nowMs
}

function startOf({ validFromMs = -Infinity }: ValidityWindow): number {
  return validFromMs
}

function endOf({ validUntilMs = Infinity }: ValidityWindow): number {
  return validUntilMs
}

function intersect(a: ValidityWindow, b: ValidityWindow): ValidityWindow {
  const from = Math.max(startOf(a), startOf(b))
  const until = Math.min(endOf(a), endOf(b))
  return {
    ...(from === -Infinity ? {} : { validFromMs: from }),
    ...(until === Infinity ? {} : { validUntilMs: until }),
  }
}

/** Names for `{{…}}`. Attributes of the configuration cannot shadow the built-in ones. */
function variablesOf(identity: Identity): Readonly<Record<string, string>> {
  return {
    ...identity.attributes,
    subject: identity.subject,
    issuer: identity.issuerId,
    ...(identity.clientId === undefined ? {} : { client_id: identity.clientId }),
  }
}
