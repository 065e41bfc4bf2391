import { isDeepStrictEqual } from 'node:util'
import type { AuditEntry } from '../../src/core/audit-entry.ts'
import { CONNECTION_TYPES, SOURCE_CIDRS_MAX } from '../../src/core/connection-condition.ts'
import { CalloutError } from '../../src/core/errors.ts'
import { isResourceAction, isResponsePermission } from '../../src/core/grant.ts'
import type { Policy, ResourceAction } from '../../src/core/grant.ts'
import { nameOfRow, POLICY_KINDS, policyKey, sidesOf } from '../../src/core/policy-row.ts'
import type {
  GrantRow,
  LockRow,
  PolicyKind,
  PolicyLabels,
  PolicyOrigin,
  PolicyRow,
  PolicyTables,
  UnsignedRow,
} from '../../src/core/policy-row.ts'
import { problemOfLockTarget } from '../../src/core/locks.ts'
import { parsePrincipal } from '../../src/core/principal.ts'
import { problemOfResource } from '../../src/core/resource-action.ts'
import { parseSubjectPattern, problemOfQueue } from '../../src/core/subject.ts'
import { CHANGES_PER_EDIT_MAX } from '../../src/service/ports.ts'
import type { DecisionLog, GrantFilter, PolicyAdmin, PolicyEdit, PolicyReader } from '../../src/service/ports.ts'
import { keyDigest } from '../../src/documents/digest.ts'
import { NOW_MS } from './builders.ts'

/** Policy in memory, for unit tests. Runs the same contract suite as the one in Spanner. */
export class MemoryPolicyStore implements PolicyReader, PolicyAdmin {
  #rows = new Map<string, PolicyRow>()
  readonly edits: PolicyEdit[] = []
  #commits = 0

  async read(principals: readonly string[]): Promise<Policy> {
    const asked = new Set(principals)
    const bindings = this.#all('binding').filter(({ member }) => asked.has(member))
    const held = new Set(bindings.map(({ role }) => role))
    return {
      bindings: bindings.map(withoutNotes),
      locks: this.#all('lock')
        .filter(({ target }) => asked.has(target))
        .map(withoutNotes),
      grants: this.#all('grant')
        .filter(({ principal }) => asked.has(principal) || held.has(principal))
        .map(({ forced: _forced, ...grant }) => withoutNotes(grant)),
      roles: this.#all('role')
        .filter(({ role }) => held.has(role) || asked.has(role))
        .map(({ description: _description, ...role }) => withoutNotes(role)),
      readTimestamp: this.#timestamp(),
    }
  }

  async edit(edit: PolicyEdit): Promise<void> {
    if (edit.changes.length === 0) return
    refuse('CHANGES_PER_EDIT_MAX', edit.changes.length > CHANGES_PER_EDIT_MAX)
    if (edit.precondition !== undefined) this.#requireScope(edit.precondition)
    const rows = new Map(this.#rows)
    const createdAt = this.#timestamp(this.#commits + 1)
    for (const { before, after } of edit.changes.map(sidesOf)) {
      if (before !== undefined) this.#requireSame(before)
      if (before !== undefined) rows.delete(nameOfRow(before))
      if (after === undefined) continue
      if (rows.has(nameOfRow(after)) || this.#isIdTaken(rows, after)) throw conflict()
      refuseBadRow(after)
      rows.set(nameOfRow(after), { kind: after.kind, row: { ...after.row, createdAt } } as PolicyRow)
    }
    refuse('CK_PolicyEdits_Reason', edit.reason.trim() === '')
    refuse('CK_PolicyEdits_Actor', edit.actor.trim() === '')
    refuse('CK_PolicyEdits_ApprovedBy', edit.approvedBy === edit.actor)
    this.#commits++
    this.#rows = rows
    this.edits.push(edit)
  }

  async listGrants({ principal, account }: GrantFilter, limit: number): Promise<GrantRow[]> {
    return this.#all('grant')
      .filter((grant) => principal === undefined || grant.principal === principal)
      .filter((grant) => account === undefined || grant.account === account)
      .slice(0, limit)
  }

  async scan<Kind extends PolicyKind>(
    kind: Kind,
    limit: number,
    after?: readonly string[],
  ): Promise<readonly PolicyTables[Kind][]> {
    return this.#all(kind)
      .filter((row) => after === undefined || compareKeys(policyKey({ kind, row } as PolicyRow), after) > 0)
      .slice(0, limit)
  }

  async startingWith<Kind extends PolicyKind>(
    kind: Kind,
    key: readonly string[],
    limit: number,
  ): Promise<readonly PolicyTables[Kind][]> {
    return this.#all(kind)
      .filter((row) => {
        const own = policyKey({ kind, row } as PolicyRow)
        return key.every((part, index) => own[index] === part)
      })
      .slice(0, limit)
  }

  async findLock(id: string): Promise<LockRow | undefined> {
    return this.#all('lock').find((lock) => lock.id === id)
  }

  async lookUp(rows: readonly UnsignedRow[]): Promise<readonly PolicyRow[]> {
    return rows.flatMap((row) => this.#rows.get(nameOfRow(row)) ?? [])
  }

  async findGrant(id: string): Promise<GrantRow | undefined> {
    return this.#all('grant').find((grant) => grant.id === id)
  }

  /** In the order of their keys. */
  #all<Kind extends PolicyKind>(kind: Kind): PolicyTables[Kind][] {
    return [...this.#rows.values()]
      .filter((row) => row.kind === kind)
      .sort((a, b) => compareKeys(policyKey(a), policyKey(b)))
      .map(({ row }) => row as PolicyTables[Kind])
  }

  #requireSame(seen: PolicyRow): void {
    const stored = this.#rows.get(nameOfRow(seen))
    if (stored === undefined)
      throw new CalloutError('ERR_STORE_NOT_FOUND', `the ${nameOfRow(seen)} is not there any more`)
    if (!isDeepStrictEqual(stored, seen)) {
      throw new CalloutError(
        'ERR_STORE_CONFLICT',
        `the ${nameOfRow(seen)} was changed by ${stored.row.createdBy} meanwhile`,
      )
    }
  }

  #requireScope({ scope, states }: NonNullable<PolicyEdit['precondition']>): void {
    for (const kind of POLICY_KINDS) {
      const rows = this.#all(kind).filter((row) => row.scope === scope)
      const keys = rows.reduce((sum, row) => sum ^ keyDigest({ kind, row } as PolicyRow), 0n)
      if (rows.length !== states[kind].rows || keys !== BigInt(`0x${states[kind].keys}`))
        throw new CalloutError('ERR_STORE_CONFLICT', `the scope ${scope} has other rows meanwhile`)
    }
  }

  /** Ids of grants and of locks are unique by themselves. */
  #isIdTaken(rows: ReadonlyMap<string, PolicyRow>, { kind, row }: PolicyRow): boolean {
    return (
      'id' in row &&
      [...rows.values()].some((other) => other.kind === kind && 'id' in other.row && other.row.id === row.id)
    )
  }

  #timestamp(commits = this.#commits): string {
    return `${new Date(NOW_MS).toISOString().slice(0, -1)}${String(commits).padStart(3, '0')}Z`
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

function withoutNotes<Row extends PolicyLabels & PolicyOrigin>(
  noted: Row,
): Omit<Row, keyof PolicyLabels | keyof PolicyOrigin> {
  const {
    name: _n,
    scope: _s,
    owner: _o,
    ticket: _t,
    labels: _l,
    reason: _r,
    createdBy: _b,
    createdAt: _a,
    ...row
  } = noted
  return row
}

function refuseBadRow({ kind, row }: PolicyRow): void {
  if (kind === 'grant') refuseBadGrant(row)
  if (kind === 'role') {
    refuse('CK_Roles_Role', 'problem' in parsePrincipal(row.role) || !row.role.startsWith('role:'))
    refuse('CK_Roles_SessionMax', row.sessionMaxMs !== undefined && row.sessionMaxMs < 1000)
    refuse('CK_Roles_Reason', row.reason.trim() === '')
  }
  if (kind === 'binding') {
    refuse('CK_RoleBindings_Member', 'problem' in parsePrincipal(row.member) || row.member.startsWith('role:'))
    refuse('CK_RoleBindings_Role', 'problem' in parsePrincipal(row.role) || !row.role.startsWith('role:'))
    refuse('CK_RoleBindings_Reason', row.reason.trim() === '')
  }
  if (kind === 'lock') {
    refuse('CK_Locks_KnownTarget', problemOfLockTarget(row.target) !== undefined)
    refuse('CK_Locks_SourceCidr', (row.target === 'address') !== (row.sourceCidr !== undefined))
    refuse('CK_Locks_Reason', row.reason.trim() === '')
  }
}

function compareKeys(a: readonly string[], b: readonly string[]): number {
  return compare(a[0] ?? '', b[0] ?? '') || compare(a[1] ?? '', b[1] ?? '')
}

function refuseBadGrant(grant: GrantRow): void {
  const { validFromMs = -Infinity, validUntilMs = Infinity } = grant
  refuse('CK_Grants_Principal', 'problem' in parsePrincipal(grant.principal))
  refuse('CK_Grants_Subject', 'problem' in parseSubjectPattern(grant.subject))
  refuse('CK_Grants_QueueGroup', grant.queue !== undefined && problemOfQueue(grant.queue) !== undefined)
  refuse('CK_Grants_Resource', isResourceAction(grant.action) && !isGrantable(grant.action, grant))
  const mayAnswer = grant.effect === 'allow' && (grant.action === 'subscribe' || grant.action === 'service:offer')
  const { response } = grant
  refuse('CK_Grants_Response', response !== undefined && !(mayAnswer && isResponsePermission(response)))
  refuse('CK_Grants_QueueOnSubscribe', grant.queue !== undefined && grant.action !== 'subscribe')
  refuse('CK_Grants_Window', validFromMs >= validUntilMs)
  refuseBadCondition(grant)
  refuse('CK_Grants_Reason', grant.reason.trim() === '')
}

function isGrantable(action: ResourceAction, { effect, subject }: GrantRow): boolean {
  return effect === 'allow' && problemOfResource(action, subject) === undefined
}

/** The database knows the shape of a block of addresses, not whether bits after its prefix length are set. */
const BLOCK_SHAPE = /^(?:(?:\d{1,3}\.){3}\d{1,3}|[\dA-Fa-f:.]*:[\dA-Fa-f:.]*)\/\d{1,3}$/

function refuseBadCondition({ effect, condition: { connectionTypes, sourceCidrs, tls } = {} }: GrantRow): void {
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
