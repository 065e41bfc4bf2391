import type { AuditEntry } from '../../src/core/audit-entry.ts'
import { CONNECTION_TYPES, SOURCE_CIDRS_MAX } from '../../src/core/connection-condition.ts'
import { CalloutError } from '../../src/core/errors.ts'
import type { Lock, Policy, RoleBinding } from '../../src/core/grant.ts'
import { parsePrincipal } from '../../src/core/principal.ts'
import { parseSubjectPattern, problemOfQueue } from '../../src/core/subject.ts'
import type {
  DecisionLog,
  GrantFilter,
  NewGrant,
  PolicyAdmin,
  PolicyReader,
  StoredGrant,
} from '../../src/service/ports.ts'
import { NOW_MS } from './builders.ts'

/** Policy in memory, for unit tests. Runs the same contract suite as the one in Spanner. */
export class MemoryPolicyStore implements PolicyReader, PolicyAdmin {
  readonly #grants = new Map<string, StoredGrant>()
  readonly #bindings: RoleBinding[] = []
  readonly #locks: Lock[] = []
  #commits = 0

  async read(principals: readonly string[]): Promise<Policy> {
    const asked = new Set(principals)
    const bindings = this.#bindings.filter(({ member }) => asked.has(member))
    const holders = asked.union(new Set(bindings.map(({ role }) => role)))
    return {
      bindings,
      locks: this.#locks.filter(({ target }) => asked.has(target)),
      grants: [...this.#grants.values()]
        .filter(({ principal }) => holders.has(principal))
        .map(({ reason: _reason, createdBy: _createdBy, createdAt: _createdAt, ...grant }) => grant),
      readTimestamp: this.#timestamp(),
    }
  }

  async addGrants(grants: readonly NewGrant[]): Promise<void> {
    const ids = new Set(grants.map(({ id }) => id))
    if (ids.size < grants.length || grants.some(({ id }) => this.#grants.has(id))) throw conflict()
    for (const grant of grants) refuseBadGrant(grant)
    this.#commits++
    for (const grant of grants) this.#grants.set(grant.id, { ...grant, createdAt: this.#timestamp() })
  }

  async listGrants({ principal, account }: GrantFilter, limit: number): Promise<StoredGrant[]> {
    return [...this.#grants.values()]
      .filter((grant) => principal === undefined || grant.principal === principal)
      .filter((grant) => account === undefined || grant.account === account)
      .sort((a, b) => compare(a.principal, b.principal) || compare(a.id, b.id))
      .slice(0, limit)
  }

  async removeGrant(id: string, actor: { readonly reason: string; readonly removedBy: string }): Promise<StoredGrant> {
    const grant = this.#grants.get(id)
    if (grant === undefined) throw new CalloutError('ERR_STORE_NOT_FOUND', 'no grant has this id')
    refuse('CK_GrantChanges_Reason', actor.reason.trim() === '')
    this.#commits++
    this.#grants.delete(id)
    return grant
  }

  async addRoleBinding(binding: RoleBinding & { readonly reason: string; readonly createdBy: string }): Promise<void> {
    const { reason, createdBy: _createdBy, ...row } = binding
    if (this.#bindings.some(({ member, role }) => member === row.member && role === row.role)) throw conflict()
    refuse('CK_RoleBindings_Member', 'problem' in parsePrincipal(row.member) || row.member.startsWith('role:'))
    refuse('CK_RoleBindings_Role', 'problem' in parsePrincipal(row.role) || !row.role.startsWith('role:'))
    refuse('CK_RoleBindings_Reason', reason.trim() === '')
    this.#commits++
    this.#bindings.push(row)
  }

  async addLock(lock: Lock & { readonly reason: string; readonly createdBy: string }): Promise<void> {
    const { reason, createdBy: _createdBy, ...row } = lock
    if (this.#locks.some(({ id }) => id === row.id)) throw conflict()
    refuse('CK_Locks_Target', 'problem' in parsePrincipal(row.target) || row.target.startsWith('role:'))
    refuse('CK_Locks_Reason', reason.trim() === '')
    this.#commits++
    this.#locks.push(row)
  }

  #timestamp(): string {
    return `${new Date(NOW_MS).toISOString().slice(0, -1)}${String(this.#commits).padStart(3, '0')}Z`
  }
}

/** A decision log in memory, for unit tests. Runs the same contract suite as the one in Spanner. */
export class MemoryDecisionLog implements DecisionLog {
  readonly entries: AuditEntry[] = []

  async append(entries: readonly AuditEntry[]): Promise<void> {
    const stored = new Map(this.entries.map((entry) => [entry.decision.id, entry]))
    if (!entries.some(({ decision }) => stored.has(decision.id))) {
      this.entries.push(...entries)
      return
    }
    const isRepeat = entries.every(({ decision, request }) => {
      const same = stored.get(decision.id)
      return same?.decision.outcome === decision.outcome && same.request.userNkey === request.userNkey
    })
    if (!isRepeat) throw new CalloutError('ERR_AUDIT_UNAVAILABLE', 'a part of the batch is stored')
  }
}

function refuseBadGrant(grant: NewGrant): void {
  const { validFromMs = -Infinity, validUntilMs = Infinity } = grant
  refuse('CK_Grants_Principal', 'problem' in parsePrincipal(grant.principal))
  refuse('CK_Grants_Subject', 'problem' in parseSubjectPattern(grant.subject))
  refuse('CK_Grants_QueueGroup', grant.queue !== undefined && problemOfQueue(grant.queue) !== undefined)
  refuse('CK_Grants_QueueOnSubscribe', grant.queue !== undefined && grant.action !== 'subscribe')
  refuse('CK_Grants_Window', validFromMs >= validUntilMs)
  refuseBadCondition(grant)
  refuse('CK_Grants_Reason', grant.reason.trim() === '')
}

/** The database knows the shape of a block of addresses, not whether bits after its prefix length are set. */
const BLOCK_SHAPE = /^(?:(?:\d{1,3}\.){3}\d{1,3}|[\dA-Fa-f:.]*:[\dA-Fa-f:.]*)\/\d{1,3}$/

function refuseBadCondition({ effect, condition: { connectionTypes, sourceCidrs, tls } = {} }: NewGrant): void {
  const isType = (text: string): boolean => CONNECTION_TYPES.some((type) => type === text)
  refuse('CK_Grants_ConnectionTypes', connectionTypes?.length === 0 || connectionTypes?.every(isType) === false)
  const isBlocks = (cidrs: readonly string[]): boolean =>
    cidrs.length > 0 && cidrs.length <= SOURCE_CIDRS_MAX && cidrs.every((cidr) => BLOCK_SHAPE.test(cidr))
  refuse('CK_Grants_SourceCidrs', sourceCidrs !== undefined && !isBlocks(sourceCidrs))
  refuse('CK_Grants_Tls', tls !== undefined && effect === 'deny')
}

function refuse(constraint: string, violated: boolean): void {
  if (violated) throw new CalloutError('ERR_STORE_REFUSED', `the row was refused: constraint ${constraint}`)
}

function conflict(): CalloutError {
  return new CalloutError('ERR_STORE_CONFLICT', 'a row with this key exists')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
