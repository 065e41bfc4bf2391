import { z } from 'zod'
import { problemsOf, writtenPath, type Problem } from '../config/problem.ts'
import { CONNECTION_TYPES, SOURCE_CIDRS_MAX, TLS_REQUIREMENTS } from '../core/connection-condition.ts'
import type { Digest } from '../core/compile-document.ts'
import { RESOURCE_ACTIONS } from '../core/grant.ts'
import { plannedSides, problemOfPlan, type Plan } from '../core/plan.ts'
import { LABELS_MAX, problemsOfRow, SCOPE } from '../core/row-problems.ts'
import { canonicalJson } from '../core/same-row.ts'
import { API_VERSION } from './schema.ts'

/** A plan as it is kept between `plan` and `apply`. */
export interface SavedPlan {
  readonly plan: Plan
  /** The database whose rows it was made of. */
  readonly database: string
  /** RFC 3339. */
  readonly createdAt: string
  readonly digest: string
}

export type PlanReading = { readonly saved: SavedPlan } | { readonly problems: readonly Problem[] }

/** Two sides of 100,000 rows take some 120 MB. */
export const PLAN_CHARACTERS_MAX = 256 * 1024 * 1024
export const PLAN_CHANGES_MAX = 250_000
/** More would hide the first ones. */
const PROBLEMS_MAX = 20

/** Bounds what is kept before the rows themselves are checked; what is stored may be more than a document may say. */
const text = z.string().max(2048)
const ms = z.int()
const texts = (max: number) => z.array(text).max(max)
const labels = {
  name: text.optional(),
  scope: text.optional(),
  owner: text.optional(),
  ticket: text.optional(),
  labels: texts(LABELS_MAX).optional(),
}
const origin = { reason: text, createdBy: text, createdAt: text.optional() }
const window = { validFromMs: ms.optional(), validUntilMs: ms.optional() }

const rows = {
  grant: {
    id: text,
    principal: text,
    account: text,
    effect: z.enum(['allow', 'deny']),
    action: z.enum(['publish', 'subscribe', ...RESOURCE_ACTIONS]),
    subject: text,
    queue: text.optional(),
    response: z.strictObject({ max: z.int(), ttlMs: z.int() }).optional(),
    condition: z
      .strictObject({
        connectionTypes: z.array(text).max(CONNECTION_TYPES.length).optional(),
        sourceCidrs: texts(SOURCE_CIDRS_MAX).optional(),
        tls: z.enum(TLS_REQUIREMENTS).optional(),
      })
      .optional(),
    forced: z.literal(true).optional(),
    ...window,
    ...labels,
  },
  role: { role: text, sessionMaxMs: ms.optional(), description: text.optional(), ...labels },
  binding: { member: text, role: text, ...window, ...labels },
  lock: {
    id: text,
    target: text,
    expiresAtMs: ms.optional(),
    sourceCidr: text.optional(),
    message: text.optional(),
    ...labels,
  },
} as const

function changeOf<Kind extends keyof typeof rows>(kind: Kind) {
  const before = z.strictObject({ ...rows[kind], ...origin }).optional()
  return z.strictObject({ kind: z.literal(kind), before, after: z.strictObject(rows[kind]).optional() })
}

const state = z.strictObject({ rows: z.int().min(0), keys: z.string().regex(/^[0-9a-f]{14}$/) })
const planSchema = z.strictObject({
  apiVersion: z.literal(API_VERSION, `must be ${API_VERSION}`),
  kind: z.literal('Plan'),
  createdAt: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/),
  database: text,
  scope: z.string().regex(SCOPE).optional(),
  states: z.strictObject({ grant: state, role: state, binding: state, lock: state }).optional(),
  changes: z
    .array(z.discriminatedUnion('kind', [changeOf('grant'), changeOf('role'), changeOf('binding'), changeOf('lock')]))
    .max(PLAN_CHANGES_MAX),
  digest: z.string().max(128),
})

/** A plan of these rows of this database, with the digest by which a copy is known to be whole. */
export function savePlan(plan: Plan, database: string, createdAtMs: number, digest: Digest): SavedPlan {
  const unsealed = { plan, database, createdAt: new Date(createdAtMs).toISOString() }
  return { ...unsealed, digest: digestOf(unsealed, digest) }
}

/** The text of a saved plan in pieces: JSON, a line for each change. */
export function* planText({ plan, database, createdAt, digest }: SavedPlan): Generator<string> {
  const { changes, ...rest } = plan
  const head = JSON.stringify({ apiVersion: API_VERSION, kind: 'Plan', createdAt, database, ...rest, digest })
  yield `${head.slice(0, -1)},"changes":[`
  for (const [index, change] of changes.entries()) yield `${index === 0 ? '\n' : ',\n'}${JSON.stringify(change)}`
  yield '\n]}\n'
}

/** The plan as one value, for a column of JSON. */
export function planValue(saved: SavedPlan): unknown {
  return JSON.parse([...planText(saved)].join(''))
}

/**
 * Reads a saved plan as if somebody hostile had written it: its shape, its digest (against accidents: whoever can change the plan can
 * make a digest too), that it is a plan that could have been made, and that each row it wants could be written.
 */
export function readPlan(written: string, digest: Digest): PlanReading {
  if (written.length > PLAN_CHARACTERS_MAX) return refused('is larger than any plan')
  try {
    return readPlanValue(JSON.parse(written), digest)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return refused('is not JSON')
  }
}

/** As `readPlan`, of a parsed value. */
export function readPlanValue(value: unknown, digest: Digest): PlanReading {
  const checked = planSchema.safeParse(value, { reportInput: true })
  if (!checked.success) {
    const unknownKey = (path: readonly PropertyKey[], key: string): Problem => ({
      path: writtenPath([...path, key]),
      message: 'is not known here',
    })
    return { problems: problemsOf(checked.error, unknownKey).slice(0, PROBLEMS_MAX) }
  }
  const { apiVersion: _apiVersion, kind: _kind, database, createdAt, digest: given, ...rest } = checked.data
  // An optional property that is there but undefined cannot come out of JSON.
  const plan = rest as Plan
  const saved = { plan, database, createdAt, digest: given }
  if (digestOf(saved, digest) !== given) return refused('does not have the digest that it names: it was changed or cut')
  const problem = problemOfPlan(plan)
  if (problem !== undefined) return refused(problem)
  const problems: Problem[] = []
  for (const [index, change] of plan.changes.entries()) {
    const { after } = plannedSides(change)
    if (after === undefined) continue
    for (const { field, message } of problemsOfRow(after)) {
      problems.push({ path: `changes[${index}].after.${field}`, message })
    }
    if (problems.length >= PROBLEMS_MAX) break
  }
  return problems.length > 0 ? { problems: problems.slice(0, PROBLEMS_MAX) } : { saved }
}

function digestOf({ plan, database, createdAt }: Omit<SavedPlan, 'digest'>, digest: Digest): string {
  const { changes, ...rest } = plan
  // Change by change: the whole in one text would be as large as the plan once more.
  const chained = changes.reduce((chain, change) => digest(`${chain}${canonicalJson(change)}`), '')
  return `sha256:${digest(canonicalJson({ apiVersion: API_VERSION, database, createdAt, ...rest, chained }))}`
}

function refused(message: string): PlanReading {
  return { problems: [{ path: '', message: `the plan ${message}` }] }
}
