import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Policy } from '../../../src/core/grant.ts'
import { POLICY_KINDS, type PolicyKind } from '../../../src/core/policy-row.ts'
import { readPastPolicy, type DecisionRows, type PastChange, type PastRows } from '../../../src/service/past-policy.ts'
import { aGrant } from '../../support/builders.ts'

interface Step {
  readonly kind: PolicyKind
  readonly holder: string
  readonly which: string
  readonly version: number
  readonly isGone: boolean
}

const KEYS = ['user:corp:alice', 'group:corp:ops', 'everyone']
const ROLES = ['role:a', 'role:b']
const STEP: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...POLICY_KINDS),
  holder: fc.constantFrom(...KEYS, 'user:corp:bob', ...ROLES),
  which: fc.constantFrom(...ROLES),
  version: fc.nat({ max: 3 }),
  isGone: fc.boolean(),
})

type Rows = { readonly [Kind in PolicyKind]: ReadonlyMap<string, DecisionRows[Kind]> }
const EMPTY: Rows = { grant: new Map(), role: new Map(), binding: new Map(), lock: new Map() }

/** A row of the kind that a step is about; a role has no holder but itself. */
function rowOf({ kind, holder, which, version }: Step): {
  readonly name: string
  readonly row: DecisionRows[PolicyKind]
} {
  const name = `${holder} ${which}`
  if (kind === 'grant') return { name, row: aGrant({ principal: holder, id: which, subject: `s${version}` }) }
  if (kind === 'role') return { name: which, row: { role: which, sessionMaxMs: version } }
  if (kind === 'binding') return { name, row: { member: holder, role: which, validUntilMs: version } }
  return { name, row: { id: which, target: holder, message: `m${version}` } }
}

function holderOf(row: DecisionRows[PolicyKind]): string {
  if ('principal' in row) return row.principal
  if ('member' in row) return row.member
  return 'target' in row ? row.target : row.role
}

function written(row: unknown): string {
  return JSON.stringify(row)
}

interface TimedChange {
  readonly time: number
  readonly kind: PolicyKind
  readonly holder: string
  readonly change: PastChange<DecisionRows[PolicyKind]>
}

/** Plays the steps; the rows after each of them, and the changes that they made. Times are numbers of steps. */
function played(steps: readonly Step[]): {
  readonly states: readonly Rows[]
  readonly changes: readonly TimedChange[]
} {
  const states: Rows[] = [EMPTY]
  const changes: TimedChange[] = []
  for (const [index, step] of steps.entries()) {
    const { name, row } = rowOf(step)
    const rows = states.at(-1) ?? EMPTY
    const before = rows[step.kind].get(name)
    const after = step.isGone ? undefined : row
    const changed = new Map<string, DecisionRows[PolicyKind]>(rows[step.kind])
    if (after === undefined) changed.delete(name)
    else changed.set(name, after)
    states.push({ ...rows, [step.kind]: changed })
    if (before === undefined && after === undefined) continue
    const change = { name, ...(before !== undefined && { before }), ...(after !== undefined && { after }) }
    changes.push({ time: index + 1, kind: step.kind, holder: holderOf(row), change })
  }
  return { states, changes }
}

/** A store that remembers no rows but those of the end, and every change. */
function storeOf({ states, changes }: ReturnType<typeof played>): PastRows {
  const until = String(states.length - 1)
  return {
    policyAt: async () => undefined,
    historySince: async () => ({ until }),
    async rowsAt(kind, holders, at) {
      assert.equal(at, until)
      const rows = [...(states.at(-1) ?? EMPTY)[kind]]
      return new Map(rows.filter(([, row]) => holders.includes(holderOf(row))))
    },
    async changesOf(kind, holders, after, upTo) {
      const asked = changes.filter((timed) => timed.kind === kind && holders.includes(timed.holder))
      const within = asked.filter(({ time }) => time > Number(after) && time <= Number(upTo))
      return within.map(({ change }) => change) as PastChange<DecisionRows[typeof kind]>[]
    },
    isSame: (_, a, b) => written(a) === written(b),
  }
}

/** What a reader of policy gives of these rows. */
function policyOf(rows: Rows): string[][] {
  const own = <Row extends DecisionRows[PolicyKind]>(
    found: ReadonlyMap<string, Row>,
    holders: readonly string[],
  ): Row[] => [...found.values()].filter((row) => holders.includes(holderOf(row)))
  const bindings = own(rows.binding, KEYS.slice(0, 2))
  const held = bindings.map(({ role }) => role)
  return [bindings, own(rows.lock, KEYS), own(rows.grant, [...KEYS.slice(0, 2), ...held]), own(rows.role, held)].map(
    (found) => found.map(written).sort(),
  )
}

function listed({ bindings, locks, grants, roles }: Policy): string[][] {
  return [bindings, locks, grants, roles].map((found) => found.map(written).sort())
}

test('the policy of any moment is what a reader would have read then, by the roles of then', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { maxLength: 60 }), fc.nat(), async (steps, position) => {
      const history = played(steps)
      const moment = position % history.states.length
      const past = await readPastPolicy(KEYS, String(moment), storeOf(history))
      assert.ok('policy' in past, JSON.stringify(past))
      assert.deepEqual(listed(past.policy), policyOf(history.states[moment] ?? EMPTY))
    }),
  )
})
