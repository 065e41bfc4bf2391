import type { AuditEntry } from '../core/audit-entry.ts'
import type { Allow } from '../core/decision.ts'
import type { Policy } from '../core/grant.ts'
import type { Identity, TokenFacts } from '../core/identity.ts'
import type { ScopeStates } from '../core/plan.ts'
import type {
  GrantRow,
  LockRow,
  PolicyChange,
  PolicyKind,
  PolicyRow,
  PolicyTables,
  UnsignedRow,
} from '../core/policy-row.ts'
import type { RecordedDecision, RecordedInFull } from '../core/recorded-decision.ts'
import type { DenyReason } from '../core/reasons.ts'
import type { AuthorizationRequest } from '../core/request.ts'
import type { Delivery } from './events.ts'

/** A point on `Clock.monotonicMs()` after which the answer is of no use to the caller. */
export type DeadlineMs = number

/** Time as a parameter. The system clock is `service/clock.ts`; tests bring their own. */
export interface Clock {
  /** Wall clock, epoch milliseconds, with fractions allowed. For timestamps and validity windows. */
  nowMs(): number
  /** Never goes back. For deadlines and durations. */
  monotonicMs(): number
  /** Calls back once, not before `delayMs` have passed; the returned function cancels. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): () => void
}

export type Verification =
  | { readonly accepted: true; readonly identity: Identity }
  | {
      readonly accepted: false
      readonly reason: DenyReason
      readonly detail: string
      /** What could be read of the token, unverified; empty when nothing could. */
      readonly token: TokenFacts
      /** Set when an issuer entry was chosen. */
      readonly issuerId?: string
    }

/**
 * Verifies a client's token and maps it to an identity.
 * A refusal is a value, and so is `issuer_unavailable`: the keys could not be obtained before the deadline, which says
 * nothing about the token. Throws only on a bug.
 */
export interface TokenVerifier {
  verify(token: string, deadlineMs: DeadlineMs, connection?: ConnectionFacts): Promise<Verification>
}

/** What a token can be bound to. Absent facts bind nothing: a bound token is then refused. */
export interface ConnectionFacts {
  /** `AuthorizationRequest.client.certificateSha256` */
  readonly certificateSha256?: string
}

/**
 * Reads what the store says under some keys at one timestamp not older than the call: the locks on them and, of those that are
 * principals, grants, role bindings, and the grants and settings of the bound roles (whatever the window of the binding) and of those
 * that are keys themselves. Keys are principals and the other targets of locks (`lockKeys`).
 * Rows are returned as stored, unparsed subjects included. Duplicate and unknown keys are fine.
 * Throws `CalloutError('ERR_GRANTS_UNAVAILABLE')` when the store did not answer before the deadline, and
 * `ERR_STORE_REFUSED` when it did but the rows cannot be used (too many, or of an unexpected shape).
 */
export interface PolicyReader {
  read(keys: readonly string[], deadlineMs: DeadlineMs): Promise<Policy>
}

/**
 * Appends entries to the decision log, all or none. Returns only when they are durable.
 * Appending the same batch again is a success and adds nothing, so that a caller may retry after an unclear failure.
 * Throws `CalloutError('ERR_AUDIT_UNAVAILABLE')` when durability is not known at the deadline (the rows may exist), and
 * `ERR_STORE_REFUSED` when the database refuses a row for what it holds (then none is stored).
 */
export interface DecisionLog {
  append(entries: readonly AuditEntry[], deadlineMs: DeadlineMs): Promise<void>
}

/**
 * Records that are kept on a disk, in order, until there is a better place for them. Every text is one line.
 * Throws `CalloutError('ERR_AUDIT_UNAVAILABLE')` when it takes no more.
 */
export interface RecordSpool {
  /** Records that wait. */
  readonly pending: number
  /** Returns when the records are on the disk. */
  append(records: readonly string[]): Promise<void>
  /** Hands out what waits, in order; what `take` has returned from is not handed out again. Rejects as `take` does. */
  drain(take: (records: readonly string[]) => Promise<void>, batchMax: number): Promise<void>
}

/** A place for records while the database does not take them. Throws as `RecordSpool`. */
export interface OutageSpool {
  /** Whether records are to come here first: the database did not take the last ones, and has taken none since. */
  readonly isDiverting: boolean
  /** Returns when the records are on the disk. */
  append(records: readonly string[]): Promise<void>
}

/** Makes the signed user JWT of an allow and checks it before returning. Rejects only on a bug. Pure CPU. */
export interface UserJwtIssuer {
  issue(allow: Allow, request: AuthorizationRequest, userName: string): Promise<string>
}

/** What nats-server is told: the user JWT of an admission, or `reason decision-id` of a refusal, nothing more. */
export type Answer = { readonly allow: string } | { readonly deny: string }

/** A refusal that says nothing about the client, in the same words; the client should come back and try again. */
export interface Unavailable {
  readonly unavailable: string
}

/**
 * Answers a request, once: encodes, signs, seals if the request was sealed, publishes; or drops the answer or ends the
 * connection of the client, as configured. `late` when the deadline passed before the answer could go out, `failed` when
 * it could not be sent; then nothing was published. `sent` means handed to the socket, not received. Never throws.
 */
export type Respond = (answer: Answer | Unavailable) => Promise<Delivery>

/** When one request came and what was done with it before it got to the handler. */
export interface Arrival {
  /** Point on `clock.monotonicMs()` when the message arrived; the deadline counts from there. */
  readonly receivedAtMs: number
  /** Milliseconds that opening, decoding and verifying the request took. */
  readonly openMs: number
}

/** Decides on one genuine request and calls `respond`. A rejection is a bug: the request goes unanswered. */
export interface RequestHandler {
  handle(request: AuthorizationRequest, arrival: Arrival, respond: Respond): Promise<void>
  /** Refuses it as `overloaded`, without a look at it. Resolves when it is answered; its row may follow. */
  shed(request: AuthorizationRequest, arrival: Arrival, respond: Respond): Promise<void>
}

/** Where a change comes from, for the history. */
export type EditSource = 'command' | 'plan' | 'proposal' | 'revert'

/** Changes that belong together, and who makes them. */
export interface PolicyEdit {
  readonly changes: readonly PolicyChange[]
  readonly source: EditSource
  readonly actor: string
  /** Somebody else, where two people are asked for. */
  readonly approvedBy?: string
  readonly reason: string
  /** What the rows of a scope have to be before the changes. */
  readonly precondition?: { readonly scope: string; readonly states: ScopeStates }
}

export interface GrantFilter {
  readonly principal?: string
  readonly account?: string
}

/**
 * Rows of policy as an admin edits them.
 * A row that the database refuses (CHECK constraint, length) throws `ERR_STORE_REFUSED` and names the constraint; a key
 * that exists throws `ERR_STORE_CONFLICT`; what is not there throws `ERR_STORE_NOT_FOUND`; an unreachable store
 * throws `ERR_STORE_UNAVAILABLE`.
 */
export interface PolicyAdmin {
  /**
   * Makes all changes or none, in one transaction that also records who and why. Throws `ERR_STORE_CONFLICT` when a row is no
   * longer as `before` says or the scope of the precondition has other rows, and `ERR_STORE_REFUSED` for more than `CHANGES_PER_EDIT_MAX` changes.
   */
  edit(edit: PolicyEdit): Promise<void>
  /** Ordered by principal and id; at most `limit` rows. */
  listGrants(filter: GrantFilter, limit: number): Promise<GrantRow[]>
  /** Rows of a kind in the order of their keys, after the given one; at most `limit`. */
  scan<Kind extends PolicyKind>(
    kind: Kind,
    limit: number,
    after?: readonly string[],
  ): Promise<readonly PolicyTables[Kind][]>
  /** Rows of a kind whose keys begin with these parts, in the order of their keys; at most `limit`. */
  startingWith<Kind extends PolicyKind>(
    kind: Kind,
    key: readonly string[],
    limit: number,
  ): Promise<readonly PolicyTables[Kind][]>
  /** The rows with the keys of the given ones that are there, in any order. */
  lookUp(rows: readonly UnsignedRow[]): Promise<readonly PolicyRow[]>
  /** Undefined when no grant has the id. */
  findGrant(id: string): Promise<GrantRow | undefined>
  /** Undefined when no lock has the id. */
  findLock(id: string): Promise<LockRow | undefined>
}

export interface LiveSessionsQuery {
  readonly nowMs: number
  /** No session is longer: older decisions are not looked at. */
  readonly sessionMaxMs: number
  /** Only of these `user:` and `client:` principals, each looked for by its key. */
  readonly principals?: readonly string[]
  /** At most so many sessions. */
  readonly limit: number
}

/**
 * Finds decisions by which a session may be going on: allows whose session ends later than now, newest first within each range of
 * keys that is read. Whether the client is still connected only nats-server knows. Throws as `PolicyAdmin`.
 */
export interface LiveSessions {
  /** `isComplete` is false when there may be more than `limit`. */
  find(
    query: LiveSessionsQuery,
  ): Promise<{ readonly sessions: readonly RecordedDecision[]; readonly isComplete: boolean }>
  /** The members of these roles, whatever the window of their bindings. */
  membersOf(roles: readonly string[]): Promise<readonly string[]>
}

/**
 * Reads the audit by the ids of decisions (`isDecisionId`). Throws as `PolicyAdmin`, `ERR_STORE_REFUSED` also for a row that does
 * not hold what the service writes: nothing is repaired.
 */
export interface DecisionReader {
  /** Undefined when no decision has the id. */
  find(id: string): Promise<RecordedInFull | undefined>
}

/** Spanner takes 80,000 mutations in a commit, and a grant with its indexes is some 40 of them. */
export const CHANGES_PER_EDIT_MAX = 1500
