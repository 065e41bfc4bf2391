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
  const situation = { connection, variables: variablesOf(identity), sessionMaxMs: sessionMaxima(policy), nowMs }
  for (const grant of policy.grants) {
    for (const window of windowsOf(grant, principals, policy.bindings, nowMs)) apply(grant, window, situation, result)
  }
  return result
}

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

function apply(
  grant: Grant,
  window: ValidityWindow,
  { connection, variables, sessionMaxMs, nowMs }: Situation,
  result: AppliedGrants,
): void {
  if (window.validUntilMs !== undefined && window.validUntilMs <= nowMs)
    return void result.skipped.push({ id: grant.id, why: 'expired' })
  const unmet = unmetCondition(grant, connection)
  if (unmet !== undefined) return void result.skipped.push({ id: grant.id, why: unmet })
  if (window.validFromMs !== undefined && window.validFromMs > nowMs) {
    if (grant.effect === 'deny')
      result.laterDenies.push({ id: grant.id, account: grant.account, validFromMs: window.validFromMs })
    return void result.skipped.push({ id: grant.id, why: 'not_yet_valid' })
  }
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
 * The windows in which a grant holds for the identity: its own when it names one of the principals, and one for each
 * binding when it names a role. A grant through two bindings holds while either does.
 */
function windowsOf(
  grant: Grant,
  principals: ReadonlySet<string>,
  bindings: readonly RoleBinding[],
  nowMs: number,
): ValidityWindow[] {
  if (principals.has(grant.principal)) return [intersect(grant, {})]
  const windows = bindings
    .filter((binding) => binding.role === grant.principal && principals.has(binding.member))
    .map((binding) => intersect(grant, binding))
  return grant.effect === 'allow' ? longestOpen(windows, nowMs) : windows
}

/** Of several windows of one allow, the open one that lasts longest; otherwise any, so that it is reported as skipped once. */
function longestOpen(windows: readonly ValidityWindow[], nowMs: number): ValidityWindow[] {
  const open = windows.filter(
    (window) => (window.validFromMs ?? -Infinity) <= nowMs && (window.validUntilMs ?? Infinity) > nowMs,
  )
  const [best] = open.toSorted((a, b) => ((a.validUntilMs ?? Infinity) < (b.validUntilMs ?? Infinity) ? 1 : -1))
  return best === undefined ? windows.slice(0, 1) : [best]
}

function intersect(a: ValidityWindow, b: ValidityWindow): ValidityWindow {
  const from = Math.max(a.validFromMs ?? -Infinity, b.validFromMs ?? -Infinity)
  const until = Math.min(a.validUntilMs ?? Infinity, b.validUntilMs ?? Infinity)
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
