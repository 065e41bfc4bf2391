import type { Connection } from './connection-condition.ts'
import { decide, type SessionRules } from './decide.ts'
import type { Policy } from './grant.ts'
import type { Identity } from './identity.ts'
import { permitsOf, type Question, type Verdict } from './permits.ts'

/** What a client is expected to be allowed, and what not. */
export interface PermissionTest {
  /** For people. */
  readonly name: string
  readonly identity: Identity
  readonly connection: Connection
  readonly wantedAccount: string | undefined
  /** When it connects; absent: now. */
  readonly atMs?: number
  readonly expectations: readonly Expectation[]
}

export interface Expectation {
  readonly question: Question
  /** As it was written. */
  readonly subject: string
  readonly expected: 'allow' | 'deny'
}

export interface TestedExpectation {
  readonly expectation: Expectation
  readonly verdict: Verdict
  /** A subject that is allowed in part is neither allowed nor denied. */
  readonly isAsExpected: boolean
  /** What decided: the refusal, or entries of the permissions. */
  readonly because: string
}

/** Decides as the service does, for a token that lasts as long as any session may, and asks for each subject. */
export function runPermissionTest(
  test: PermissionTest,
  policy: Policy,
  rules: SessionRules,
  nowMs: number,
): TestedExpectation[] {
  const { identity, connection, wantedAccount, atMs = nowMs, expectations } = test
  const token = { ...identity.token, expiresAt: Math.ceil((atMs + rules.maxMs) / 1000) }
  const decision = decide({
    id: '',
    identity: { ...identity, token },
    wantedAccount,
    connection,
    policy,
    rules,
    nowMs: atMs,
    random: 0,
  })
  return expectations.map((expectation) => {
    const { verdict, because } = permitsOf(decision, expectation.question)
    const isAsExpected = verdict === (expectation.expected === 'allow' ? 'yes' : 'no')
    const why = decision.outcome === 'deny' ? whyRefused(decision) : because.join(', ')
    return { expectation, verdict, isAsExpected, because: why }
  })
}

function whyRefused({ reason, detail }: { readonly reason: string; readonly detail?: string }): string {
  return `refused with ${reason}${detail === undefined ? '' : ` (${detail})`}`
}
