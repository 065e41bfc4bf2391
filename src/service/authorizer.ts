import { auditedRequest, type AuditEntry } from '../core/audit-entry.ts'
import { decide, type SessionRules } from '../core/decide.ts'
import type { Allow, Decision, Deny } from '../core/decision.ts'
import { CalloutError } from '../core/errors.ts'
import type { Identity, TokenFacts } from '../core/identity.ts'
import { lockKeys } from '../core/locks.ts'
import { principalOf } from '../core/principal.ts'
import { isOnMerits, type DenyReason } from '../core/reasons.ts'
import type { AuthorizationRequest, TokenSource } from '../core/request.ts'
import type { AuditWriter } from './audit-writer.ts'
import { within } from './deadline.ts'
import type { CalloutEvents, Delivery, Stage, StageDurations } from './events.ts'
import type { FailureLimits } from './failure-limits.ts'
import type {
  Answer,
  Arrival,
  Clock,
  DeadlineMs,
  PolicyReader,
  RequestHandler,
  Respond,
  TokenVerifier,
  Unavailable,
  UserJwtIssuer,
} from './ports.ts'
import { RefusalCollapse } from './refusal-collapse.ts'
import { tokenOf } from './token-source.ts'

export interface AuthorizerOptions {
  readonly verifier: TokenVerifier
  readonly policyReader: PolicyReader
  readonly auditWriter: AuditWriter
  readonly failureLimits: FailureLimits
  readonly userJwtIssuer: UserJwtIssuer
  readonly clock: Clock
  /** A fresh decision id for this instant. */
  readonly newDecisionId: (nowMs: number) => string
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly events: CalloutEvents
  readonly rules: SessionRules
  readonly tokenSources: readonly TokenSource[]
  readonly tokenBytesMax: number
  /** From receipt to answer. */
  readonly deadlineMs: number
  readonly instanceId: string
  readonly serviceVersion: string
}

/**
 * Shares of the time that is left when work begins, by which a step has to be done. An issuer that hangs leaves time to say
 * so in the audit, and so does a store.
 */
const VERIFY_SHARE = 0.4
const GRANTS_SHARE = 0.7
/**
 * Of the whole deadline, kept for signing the answer and for its way back: a store that hangs lets up to
 * `callout.max_in_flight` requests run out of time in the same moment, and each answer takes a tenth of a millisecond.
 */
const ANSWER_SHARE = 0.1
/** Of what is left for a request that has waited. */
const ANSWER_SHARE_MAX = 0.5

/** Everything that becomes known of one request on its way. */
interface Attempt {
  readonly request: AuthorizationRequest
  readonly receivedAtMs: number
  readonly startedAtMs: number
  readonly durations: StageDurations
  identity?: Identity
  issuerId?: string
  token: TokenFacts
  grantsReadTimestamp?: string
}

/**
 * The way of one request: token, identity, grants, decision, user JWT, audit row, answer. Nothing is answered that is not
 * recorded, except a denial whose row could not be written (counted, and alarmed on). An allow that could not be recorded
 * becomes a denial. Nothing is answered after the deadline.
 */
export class Authorizer implements RequestHandler {
  readonly #options: AuthorizerOptions
  readonly #collapse: RefusalCollapse

  constructor(options: AuthorizerOptions) {
    this.#options = options
    this.#collapse = new RefusalCollapse({ clock: options.clock, write: (entry) => this.#writeCollapsed(entry) })
  }

  /** Judges and answers one genuine request. Rejects only on a bug in the answering itself. */
  async handle(request: AuthorizationRequest, arrival: Arrival, respond: Respond): Promise<void> {
    const attempt = this.#attempt(request, arrival)
    const { decision, userJwt } = await this.#judge(attempt)
    const { identity } = attempt
    const principal = identity === undefined ? undefined : principalOf(identity)
    this.#options.failureLimits.judged(decision, request.client.host, principal)
    if (decision.outcome === 'deny' && decision.reason === 'too_many_failures') {
      await this.#answerFirst(attempt, decision, respond)
    } else if (decision.outcome === 'deny' && identity === undefined) {
      await this.#refuseUnknown(attempt, decision, respond)
    } else await this.#recordAndAnswer(attempt, decision, userJwt, respond)
  }

  /** Refuses it as `overloaded`, without a look at it. */
  async shed(request: AuthorizationRequest, arrival: Arrival, respond: Respond): Promise<void> {
    await this.#answerFirst(this.#attempt(request, arrival), this.#deny('overloaded'), respond)
  }

  /** Nobody is known: whoever floods us with such requests must not fill the audit. */
  async #refuseUnknown(attempt: Attempt, decision: Deny, respond: Respond): Promise<void> {
    const entry = this.#entry(attempt, decision)
    if (!(await this.#answerCollapsed(attempt, entry, decision, respond)))
      await this.#recordAndAnswer(attempt, decision, undefined, respond)
  }

  /** Whether the row of another refusal stands for this one, which is answered then. */
  async #answerCollapsed(attempt: Attempt, entry: AuditEntry, decision: Deny, respond: Respond): Promise<boolean> {
    const told = this.#collapse.absorb(entry, decision)
    if (told === undefined) return false
    const delivery = await this.#answer(attempt, refusal(told), respond)
    this.#options.events.decided({ ...entry, decision: told }, attempt.durations, true, delivery)
    return true
  }

  /** Writes the rows that stand for many refusals; to be called before the audit writer is flushed. */
  flush(): void {
    this.#collapse.flush()
  }

  #writeCollapsed(entry: AuditEntry): void {
    const { auditWriter, events } = this.#options
    auditWriter.recordSpare(entry).catch((error: unknown) => {
      events.auditFailed('deny', 1 + (entry.repeats?.count ?? 0), error)
    })
  }

  /** Whatever the audit does; the row follows when the log has nothing better to do, and is counted as lost when too many wait. */
  async #answerFirst(attempt: Attempt, decision: Deny, respond: Respond): Promise<void> {
    const entry = this.#entry(attempt, decision)
    if (await this.#answerCollapsed(attempt, entry, decision, respond)) return
    const { auditWriter, events } = this.#options
    const delivery = await this.#answer(attempt, refusal(decision), respond)
    auditWriter.recordSpare(entry).then(
      () => events.decided(entry, attempt.durations, true, delivery),
      (error: unknown) => {
        events.auditFailed('deny', 1, error)
        events.decided(entry, attempt.durations, false, delivery)
      },
    )
  }

  #attempt(request: AuthorizationRequest, { receivedAtMs, openMs }: Arrival): Attempt {
    const startedAtMs = this.#options.clock.monotonicMs()
    const waitMs = Math.max(0, startedAtMs - receivedAtMs - openMs)
    return { request, receivedAtMs, startedAtMs, durations: { wait: waitMs, open: openMs }, token: {} }
  }

  async #judge(attempt: Attempt): Promise<{ decision: Decision; userJwt?: string }> {
    try {
      const decision = await this.#decide(attempt)
      if (decision.outcome === 'deny') return { decision }
      const userJwt = await this.#timed(attempt, 'sign', () => this.#sign(attempt, decision))
      return { decision, userJwt }
    } catch (error) {
      this.#options.events.unexpected('authorizer', error)
      return { decision: this.#deny('internal') }
    }
  }

  async #decide(attempt: Attempt): Promise<Decision> {
    const { clock, verifier, policyReader, failureLimits, tokenSources, tokenBytesMax } = this.#options
    if (failureLimits.refusesAddress(attempt.request.client.host)) return this.#deny('too_many_failures', 'address')
    const found = tokenOf(attempt.request, tokenSources, tokenBytesMax)
    if ('reason' in found) return this.#deny(found.reason, found.detail)

    const verifyBy = this.#deadline(attempt, VERIFY_SHARE)
    const verification = await this.#stage(attempt, 'verify', 'issuer_unavailable', () =>
      within(verifier.verify(found.token, verifyBy, attempt.request.client), verifyBy, clock, 'token verification'),
    )
    if ('outcome' in verification) return verification
    if (!verification.accepted) {
      attempt.token = verification.token
      if (verification.issuerId !== undefined) attempt.issuerId = verification.issuerId
      return this.#deny(verification.reason, verification.detail)
    }
    const { identity } = verification
    attempt.identity = identity
    attempt.issuerId = identity.issuerId
    attempt.token = identity.token
    if (failureLimits.refusesPrincipal(principalOf(identity))) return this.#deny('too_many_failures', 'principal')

    const grantsBy = this.#deadline(attempt, GRANTS_SHARE)
    const keys = lockKeys(identity, this.#options.rules.accounts.keys())
    const policy = await this.#stage(attempt, 'grants', 'grants_unavailable', () =>
      within(policyReader.read(keys, grantsBy), grantsBy, clock, 'reading grants'),
    )
    if ('outcome' in policy) return policy
    attempt.grantsReadTimestamp = policy.readTimestamp

    return this.#timed(attempt, 'decide', () => {
      const nowMs = clock.nowMs()
      return decide({
        id: this.#options.newDecisionId(nowMs),
        identity,
        wantedAccount: attempt.request.credentials.user,
        connection: attempt.request.client,
        policy,
        rules: this.#options.rules,
        nowMs,
        random: this.#options.random(),
      })
    })
  }

  /** Runs a step that may find out nothing; a failure of the dependency is a denial of its own, a bug is thrown on. */
  async #stage<T extends object>(
    attempt: Attempt,
    stage: Stage,
    reason: DenyReason,
    run: () => Promise<T>,
  ): Promise<T | Deny> {
    const startedMs = this.#options.clock.monotonicMs()
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof CalloutError)) throw error
      return this.#deny(error.code === 'ERR_OVERLOADED' ? 'overloaded' : reason, `${error.code}: ${error.message}`)
    } finally {
      attempt.durations[stage] = this.#options.clock.monotonicMs() - startedMs
    }
  }

  async #timed<T>(attempt: Attempt, stage: Stage, run: () => T | Promise<T>): Promise<T> {
    const startedMs = this.#options.clock.monotonicMs()
    try {
      return await run()
    } finally {
      attempt.durations[stage] = this.#options.clock.monotonicMs() - startedMs
    }
  }

  #sign(attempt: Attempt, allow: Allow): Promise<string> {
    if (attempt.identity === undefined) throw new TypeError('an allow without an identity')
    return this.#options.userJwtIssuer.issue(allow, attempt.request, principalOf(attempt.identity))
  }

  async #recordAndAnswer(
    attempt: Attempt,
    decision: Decision,
    userJwt: string | undefined,
    respond: Respond,
  ): Promise<void> {
    const { events } = this.#options
    const entry = this.#entry(attempt, decision)
    const failure = await this.#record(attempt, entry)
    if (failure === undefined) {
      const delivery = await this.#answer(attempt, answerOf(decision, userJwt), respond)
      return events.decided(entry, attempt.durations, true, delivery)
    }
    events.auditFailed(decision.outcome, 1, failure.error)
    const answered: Deny =
      decision.outcome === 'deny'
        ? decision
        : { ...this.#deny('audit_unavailable', messageOf(failure.error)), id: decision.id }
    const delivery = await this.#answer(attempt, refusal(answered), respond)
    events.decided({ ...entry, decision: answered }, attempt.durations, false, delivery)
  }

  async #record(attempt: Attempt, entry: AuditEntry): Promise<{ error: unknown } | undefined> {
    const { auditWriter, clock } = this.#options
    const startedMs = clock.monotonicMs()
    const recordBy = this.#deadline(attempt, 1)
    try {
      await within(auditWriter.record(entry, recordBy), recordBy, clock, 'recording the decision')
      return undefined
    } catch (error) {
      if (!(error instanceof CalloutError)) this.#options.events.unexpected('audit', error)
      return { error }
    } finally {
      attempt.durations.audit = clock.monotonicMs() - startedMs
    }
  }

  async #answer(attempt: Attempt, answer: Answer | Unavailable, respond: Respond): Promise<Delivery> {
    const startedMs = this.#options.clock.monotonicMs()
    const delivery = await respond(answer)
    attempt.durations.respond = this.#options.clock.monotonicMs() - startedMs
    return delivery
  }

  #deadline({ receivedAtMs, startedAtMs }: Attempt, share: number): DeadlineMs {
    const { deadlineMs } = this.#options
    const leftMs = receivedAtMs + deadlineMs - startedAtMs
    const answerMs = Math.min(deadlineMs * ANSWER_SHARE, leftMs * ANSWER_SHARE_MAX)
    return startedAtMs + Math.min(leftMs * share, leftMs - answerMs)
  }

  #deny(reason: DenyReason, detail?: string): Deny {
    const decidedAtMs = this.#options.clock.nowMs()
    return {
      id: this.#options.newDecisionId(decidedAtMs),
      decidedAtMs,
      outcome: 'deny',
      reason,
      ...(detail === undefined ? {} : { detail }),
      lockIds: [],
      skippedGrants: [],
    }
  }

  #entry(attempt: Attempt, decision: Decision): AuditEntry {
    const { identity, issuerId, grantsReadTimestamp } = attempt
    const { clock, instanceId, serviceVersion, rules } = this.#options
    const { user } = attempt.request.credentials
    return {
      decision,
      request: auditedRequest(attempt.request),
      ...(identity === undefined
        ? {}
        : { principal: principalOf(identity), actors: identity.actors ?? [], attributes: identity.attributes }),
      ...(user === undefined || !rules.accounts.has(user) ? {} : { wantedAccount: user }),
      ...(identity?.display === undefined ? {} : { displayName: identity.display }),
      ...(identity?.clientId === undefined ? {} : { clientId: identity.clientId }),
      ...(issuerId === undefined ? {} : { issuerId }),
      ...(grantsReadTimestamp === undefined ? {} : { grantsReadTimestamp }),
      groups: identity?.groups ?? [],
      token: attempt.token,
      instanceId,
      serviceVersion,
      elapsedMicros: Math.round((clock.monotonicMs() - attempt.receivedAtMs) * 1000),
      stageMicros: Object.fromEntries(
        Object.entries(attempt.durations).map(([stage, durationMs]) => [stage, Math.round(durationMs * 1000)]),
      ),
    }
  }
}

function answerOf(decision: Decision, userJwt: string | undefined): Answer | Unavailable {
  if (decision.outcome === 'deny') return refusal(decision)
  if (userJwt === undefined) throw new TypeError('an allow without a user JWT')
  return { allow: userJwt }
}

function refusal(decision: Deny): Answer | Unavailable {
  const text = denyText(decision)
  return isOnMerits(decision.reason) ? { deny: text } : { unavailable: text }
}

/** nats-server logs this text and puts it in an event that members of the callout account can read. */
function denyText(decision: Deny): string {
  return `${decision.reason} ${decision.id}`
}

function messageOf(error: unknown): string {
  return error instanceof CalloutError ? `${error.code}: ${error.message}` : 'unexpected error'
}
