import type { Policy } from './grant.ts'
import { plannedSides, type PlannedChange } from './plan.ts'
import { nameOfRow, type PolicyKind, type UnsignedRow, type UnsignedTables } from './policy-row.ts'

/**
 * A plan seen from the side of those whom it touches: who that may be, and what policy somebody would have after it. Made once for
 * a plan; what it says of one client costs as much as the rows of that client.
 */
export class PolicyOverlay {
  /** Names of rows that go or are replaced. */
  readonly #gone = new Set<string>()
  /** Rows that come or replace others, by the principal, member, role or target that they are for. */
  readonly #comes = new Map<string, UnsignedRow[]>()
  /** Principals, and targets of locks, whose rows change; the members of `touchedRoles` come to them. */
  readonly touchedKeys: ReadonlySet<string>
  /** Roles whose grants or settings change. */
  readonly touchedRoles: ReadonlySet<string>

  constructor(changes: readonly PlannedChange[]) {
    const keys = new Set<string>()
    const roles = new Set<string>()
    for (const change of changes) {
      const { before, after } = plannedSides(change)
      for (const side of [before, after]) {
        if (side === undefined) continue
        const holder = holderOf(side)
        if (holder.startsWith('role:')) roles.add(holder)
        else keys.add(holder)
      }
      if (before !== undefined) this.#gone.add(nameOfRow(before))
      if (after === undefined) continue
      const rows = this.#comes.get(holderOf(after))
      if (rows === undefined) this.#comes.set(holderOf(after), [after])
      else rows.push(after)
    }
    this.touchedKeys = keys
    this.touchedRoles = roles
  }

  /** Roles that these keys get by the plan; their grants and settings have to be in the policy that `after` is given. */
  rolesGiven(keys: Iterable<string>): string[] {
    return [...keys].flatMap((key) => this.#rows('binding', key).map(({ role }) => role))
  }

  /** What the policy of somebody with these keys would be after the plan. */
  after(policy: Policy, keys: readonly string[]): Policy {
    const isLeft =
      (kind: PolicyKind) =>
      (row: object): boolean =>
        !this.#gone.has(nameOfRow({ kind, row } as UnsignedRow))
    const bindings = [
      ...policy.bindings.filter(isLeft('binding')),
      ...keys.flatMap((key) => this.#rows('binding', key)),
    ]
    const holders = new Set([...keys, ...bindings.map(({ role }) => role)])
    return {
      ...policy,
      bindings,
      grants: [
        ...policy.grants.filter(isLeft('grant')),
        ...[...holders].flatMap((holder) => this.#rows('grant', holder)),
      ],
      roles: [...policy.roles.filter(isLeft('role')), ...bindings.flatMap(({ role }) => this.#rows('role', role))],
      locks: [...policy.locks.filter(isLeft('lock')), ...keys.flatMap((key) => this.#rows('lock', key))],
    }
  }

  #rows<Kind extends PolicyKind>(kind: Kind, holder: string): UnsignedTables[Kind][] {
    const rows = this.#comes.get(holder) ?? []
    return rows.filter((row) => row.kind === kind).map(({ row }) => row as UnsignedTables[Kind])
  }
}

function holderOf({ kind, row }: UnsignedRow): string {
  if (kind === 'grant') return row.principal
  if (kind === 'binding') return row.member
  return kind === 'lock' ? row.target : row.role
}
