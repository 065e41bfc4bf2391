import { judgeCondition, type Connection, type UnmetCondition } from './connection-condition.ts'
import type { SkippedGrant } from './decision.ts'
import type { Grant, Policy, RoleBinding, ValidityWindow } from './grant.ts'
import type { Identity } from './identity.ts'
import type { ExpandedGrant } from './permissions.ts'
import { grantedPrincipals } from './principal.ts'
import { expandSubject, parseSubjectPattern, problemOfQueue } from './subject.ts'

/** A grant that names the identity, with its subject expanded and its window narrowed by the role binding, if any. */
export interface AppliedGrant extends ExpandedGrant, ValidityWindow {
  readonly id: string
  readonly account: string
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
  readonly laterDenies: { readonly account: string; readonly validFromMs: number }[]
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
  const variables = variablesOf(identity)
  for (const grant of policy.grants) {
    for (const window of windowsOf(grant, principals, policy.bindings, nowMs))
      apply(grant, window, { connection, variables, nowMs }, result)
  }
  return result
}

interface Situation {
  readonly connection: Connection
  readonly variables: Readonly<Record<string, string>>
  readonly nowMs: number
}

function apply(
  grant: Grant,
  window: ValidityWindow,
  { connection, variables, nowMs }: Situation,
  result: AppliedGrants,
): void {
  if (window.validUntilMs !== undefined && window.validUntilMs <= nowMs)
    return void result.skipped.push({ id: grant.id, why: 'expired' })
  const unmet = unmetCondition(grant, connection)
  if (unmet !== undefined) return void result.skipped.push({ id: grant.id, why: unmet })
  if (window.validFromMs !== undefined && window.validFromMs > nowMs) {
    if (grant.effect === 'deny') result.laterDenies.push({ account: grant.account, validFromMs: window.validFromMs })
    return void result.skipped.push({ id: grant.id, why: 'not_yet_valid' })
  }
  const expanded = expand(grant, variables)
  if ('problem' in expanded) {
    if (grant.effect === 'deny')
      result.unenforceable.push({ id: grant.id, account: grant.account, problem: expanded.problem })
    return void result.skipped.push({ id: grant.id, why: expanded.why })
  }
  const applied: AppliedGrant = { ...window, ...expanded, id: grant.id, account: grant.account }
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

function expand(
  { action, effect, subject: text, queue }: Grant,
  variables: Readonly<Record<string, string>>,
): ExpandedGrant | { problem: string; why: 'subject_invalid' | 'variable_unresolved' } {
  if (action !== 'publish' && action !== 'subscribe')
    return { problem: `${action} is not understood by this release`, why: 'subject_invalid' }
  const parsed = parseSubjectPattern(text)
  if ('problem' in parsed) return { problem: parsed.problem, why: 'subject_invalid' }
  const queueProblem =
    queue === undefined ? undefined : action === 'publish' ? 'a queue group on publish' : problemOfQueue(queue)
  if (queueProblem !== undefined) return { problem: queueProblem, why: 'subject_invalid' }
  const expanded = expandSubject(parsed.pattern, variables)
  if ('unresolved' in expanded) {
    return {
      problem: `the variable ${expanded.unresolved} has no value that fits a subject token`,
      why: 'variable_unresolved',
    }
  }
  return { action, effect, subject: expanded.subject, ...(queue === undefined ? {} : { queue }) }
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
