import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { expressRows } from '../../../src/core/express-rows.ts'
import type { Plan } from '../../../src/core/plan.ts'
import { nameOfRow, type PolicyRow, type UnsignedRow } from '../../../src/core/policy-row.ts'
import { unsigned, writtenRow } from '../../../src/core/same-row.ts'
import { keyDigest, sha256 } from '../../../src/documents/digest.ts'
import { planText, readPlan, savePlan } from '../../../src/documents/plan-file.ts'
import { readDocuments } from '../../../src/documents/read-documents.ts'
import { fromDocument } from '../../../src/documents/written-document.ts'
import { yamlText } from '../../../src/cli/output.ts'
import type { PolicyDocument } from '../../../src/core/policy-document.ts'
import { applyPlan } from '../../../src/service/applying.ts'
import { makePlan } from '../../../src/service/planning.ts'
import { scanPolicy } from '../../../src/service/policy-scan.ts'
import type { PolicyAdmin } from '../../../src/service/ports.ts'
import { NOW_MS } from '../../support/builders.ts'
import { MemoryPolicyStore } from '../../support/memory-store.ts'

const writeDocument = (document: PolicyDocument): string => `---\n${yamlText(fromDocument(document))}`
const EDIT = { source: 'plan', actor: 'ann', reason: 'a test' } as const
const ORIGIN = { reason: 'before', createdBy: 'bob' }

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const labels = fc.record({
  name: optional(fc.constantFrom('a', 'b', 'c d', 'é')),
  scope: optional(fc.constantFrom('s1', 's2')),
  owner: optional(fc.constantFrom('me', 'y: es', '007', '#x')),
  labels: optional(fc.uniqueArray(fc.constantFrom('k=v', 'env=1', 'a=', 'b=x=y'), { minLength: 1 })),
})
const window = fc.record({
  validFromMs: optional(fc.constantFrom(NOW_MS, NOW_MS + 1)),
  validUntilMs: optional(fc.constantFrom(NOW_MS + 2, NOW_MS + 86_400_000)),
})
const condition = fc.constantFrom(undefined, { sourceCidrs: ['10.0.0.0/8'] }, { connectionTypes: ['MQTT', 'STANDARD'] })
const principal = fc.constantFrom('user:corp:alice', 'user:corp:a: b', 'group:corp:ops', 'issuer:corp')
const raw = fc.record({
  effect: fc.constantFrom('allow', 'deny'),
  action: fc.constantFrom('publish', 'subscribe'),
  subject: fc.constantFrom('a', 'b.>', '*.{{subject}}', 'true', '日本'),
})
const resource = fc.constantFrom(
  { effect: 'allow', action: 'stream:read', subject: 'ORDERS' },
  { effect: 'allow', action: 'service:offer', subject: 'billing', response: { max: 1, ttlMs: 1500 } },
)
const id = fc.constantFrom('g1', 'g2', 'g3', 'g4')
const rows: fc.Arbitrary<UnsignedRow> = fc
  .oneof(
    fc.record({
      kind: fc.constant('grant'),
      row: fc
        .tuple(
          fc.record({ id, principal, account: fc.constantFrom('APP', 'OPS'), condition }),
          fc.oneof(raw, resource),
          window,
          labels,
        )
        .map((parts) => Object.assign({}, ...(parts as object[])) as object),
    }),
    fc.record({
      kind: fc.constant('binding'),
      row: fc
        .tuple(fc.record({ member: principal, role: fc.constantFrom('role:r1', 'role:r2') }), window, labels)
        .map((parts) => Object.assign({}, ...(parts as object[])) as object),
    }),
    fc.record({
      kind: fc.constant('role'),
      row: fc
        .tuple(
          fc.record({ role: fc.constantFrom('role:r1', 'role:r2'), sessionMaxMs: optional(fc.constant(60_000)) }),
          labels,
        )
        .map((parts) => Object.assign({}, ...(parts as object[])) as object),
    }),
    fc.record({
      kind: fc.constant('lock'),
      row: fc
        .tuple(
          fc.record({ id, message: optional(fc.constant('call us')) }),
          fc.constantFrom({ target: 'everyone' }, { target: 'address', sourceCidr: '10.0.0.0/8' }),
          labels,
        )
        .map((parts) => Object.assign({}, ...(parts as object[])) as object),
    }),
  )
  .map((row) => JSON.parse(JSON.stringify(row)) as UnsignedRow)

/** Rows that one database can hold: no key and no id twice. */
const table = fc.array(rows, { maxLength: 12 }).map((all) => {
  const seen = new Set<string>()
  return all.filter((row) => {
    const keys = [nameOfRow(row), 'id' in row.row ? `${row.kind} ${row.row.id}` : nameOfRow(row)]
    if (keys.some((key) => seen.has(key))) return false
    for (const key of keys) seen.add(key)
    return true
  })
})

async function storeOf(all: readonly UnsignedRow[]): Promise<MemoryPolicyStore> {
  const store = new MemoryPolicyStore()
  const changes = all.map(({ kind, row }) => ({ kind, after: { ...row, ...ORIGIN } }) as never)
  await store.edit({ ...EDIT, changes })
  return store
}

async function allRows(admin: PolicyAdmin): Promise<PolicyRow[]> {
  return (await Array.fromAsync(scanPolicy(admin))).flat()
}

const texts = (all: readonly (UnsignedRow | PolicyRow)[]): string[] =>
  all.map((row) => writtenRow(unsigned(row))).sort()

/** Through the text of the file, as between two commands. */
function reread(plan: Plan): Plan {
  const read = readPlan([...planText(savePlan(plan, 'db', NOW_MS, sha256))].join(''), sha256)
  return 'saved' in read ? read.saved.plan : assert.fail(JSON.stringify(read.problems))
}

async function planFor(
  admin: PolicyAdmin,
  wanted: readonly UnsignedRow[],
  options: { scope?: string; prune?: boolean; adopt?: boolean },
) {
  return makePlan(admin, wanted, { prune: false, adopt: false, ...options, keyDigest, progress: () => {} })
}

async function apply(admin: PolicyAdmin, plan: Plan): Promise<number> {
  return applyPlan(admin, plan, EDIT, { keyDigest, progress: () => {}, dryRun: false })
}

suite('any rows', () => {
  test('are the same rows again when they are written as documents and read', () => {
    fc.assert(
      fc.property(table, (all) => {
        const { documents, refused } = expressRows(all, sha256)
        assert.deepEqual(refused, [])
        const read = readDocuments([{ name: 'f', text: documents.map(writeDocument).join('') }], { digest: sha256 })
        if ('problems' in read) assert.fail(JSON.stringify(read.problems))
        const back = read.documents.flatMap((document) => document.rows.map(({ wanted }) => wanted))
        assert.deepEqual(texts(back), texts(all))
      }),
    )
  })

  test('leave nothing to do after their plan is applied', async () => {
    await fc.assert(
      fc.asyncProperty(table, table, fc.boolean(), async (before, after, prune) => {
        const store = await storeOf(before)
        const wanted = after.map(({ kind, row }) => ({ kind, row: { ...row, scope: 's1' } }) as UnsignedRow)
        const options = { scope: 's1', prune, adopt: true }
        const { plan, foreign } = await planFor(store, wanted, options)
        if (foreign.length > 0 || clashes(wanted, before)) return
        await apply(store, reread(plan))
        const again = await planFor(store, wanted, options)
        assert.deepEqual(again.plan.changes, [])
        assert.equal(again.unchanged, wanted.length)
        if (prune)
          assert.deepEqual(texts((await allRows(store)).filter(({ row }) => row.scope === 's1')), texts(wanted))
      }),
    )
  })

  test('outside of the scope of a plan are never touched', async () => {
    await fc.assert(
      fc.asyncProperty(table, table, async (before, after) => {
        const store = await storeOf(before)
        const others = (all: PolicyRow[]): PolicyRow[] => all.filter(({ row }) => row.scope !== 's1')
        const untouched = others(await allRows(store))
        const wanted = after.map(({ kind, row }) => ({ kind, row: { ...row, scope: 's1' } }) as UnsignedRow)
        const { plan } = await planFor(store, wanted, { scope: 's1', prune: true })
        if (!clashes(wanted, before)) await apply(store, reread(plan))
        assert.deepEqual(others(await allRows(store)), untouched)
      }),
    )
  })

  test('are exported and planned again without anything to do', async () => {
    await fc.assert(
      fc.asyncProperty(table, async (all) => {
        const store = await storeOf(all)
        const { documents } = expressRows((await allRows(store)).map(unsigned), sha256)
        const read = readDocuments([{ name: 'f', text: documents.map(writeDocument).join('') }], { digest: sha256 })
        if ('problems' in read) assert.fail(JSON.stringify(read.problems))
        const wanted = read.documents.flatMap((document) => document.rows.map((row) => row.wanted))
        assert.deepEqual((await planFor(store, wanted, {})).plan.changes, [])
      }),
    )
  })
})

/** An id that another principal or target has in the database: ids are unique by themselves, and the database refuses it. */
function clashes(wanted: readonly UnsignedRow[], stored: readonly UnsignedRow[]): boolean {
  const ids = new Map(stored.flatMap((row) => ('id' in row.row ? [[`${row.kind} ${row.row.id}`, nameOfRow(row)]] : [])))
  return wanted.some((row) => {
    const holder = 'id' in row.row ? ids.get(`${row.kind} ${row.row.id}`) : undefined
    return holder !== undefined && holder !== nameOfRow(row)
  })
}
