import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createAuditChain } from '../../src/core/audit-chain.ts'
import { LOCAL_ISSUER_ID } from '../../src/dev/sample-policy.ts'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { generateSignerKey } from '../../src/evidence/note-key.ts'
import { systemClock as clock } from '../../src/service/clock.ts'
import { adding } from '../../src/service/policy-edit.ts'
import { createCheckpointStore } from '../../src/spanner/checkpoint-store.ts'
import { AUDIT_STATEMENTS } from '../../src/spanner/audit-statement-list.ts'
import { SpannerDatabase } from '../../src/spanner/database.ts'
import { createDecisionLog } from '../../src/spanner/decision-log.ts'
import { roles } from '../../src/spanner/migrations/0010-roles.ts'
import { sha256 } from '../../src/spanner/sha256.ts'
import { RowReader } from '../../src/spanner/values.ts'
import { anEntry } from '../contract/stored-rows.ts'
import { isAdmitted } from '../support/clients.ts'
import { grantDocument } from '../support/documents.ts'
import { seeksOf } from '../support/index-proof.ts'
import { RecordedEvents } from '../support/recorded-events.ts'
import { README, sqlOf } from '../support/readme-tables.ts'
import { inMs, until } from '../support/spanner.ts'
import { accessesOfSql, grantedTo, recordStoreAccess, type StoreAccess } from '../support/store-access.ts'
import { callout } from '../unit/cli/recorded-io.ts'
import { configWith } from '../unit/config/config-text.ts'

let stack: LocalStack
let service: StoreAccess
let folder = ''
const keyFile = (): string => path.join(folder, 'audit.key')

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'callout-roles-'))
  await writeFile(keyFile(), generateSignerKey('callout.example/audit'), { mode: 0o600 })
  stack = await startLocalStack({
    editConfig: (yaml) => `${yaml.replace(/^store: \{ /m, 'store: { role: callout_service, ')}
audit:
  checkpoints: { key_file: ${keyFile()} }
  on_unavailable: spool
  spool: { folder: ${path.join(folder, 'spool')} }\n`,
    spannerFor: async (emulatorHost) => {
      service = await recordStoreAccess(emulatorHost)
      return service.host
    },
  })
})
after(async () => {
  await stack?.[Symbol.asyncDispose]()
  await service?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Accesses that the GRANTs of a role and what was recorded do not both have. */
function differences(
  role: string,
  used: ReadonlySet<string>,
): { lacks: readonly string[]; hasTooMuch: readonly string[] } {
  const { accesses } = grantedTo(role, roles.statements)
  return { lacks: [...used.difference(accesses)].toSorted(), hasTooMuch: [...accesses.difference(used)].toSorted() }
}

/** Runs commands as a role, and returns the accesses of all. */
class Commands implements AsyncDisposable {
  readonly access: StoreAccess
  readonly #config: string

  private constructor(access: StoreAccess, config: string) {
    this.access = access
    this.#config = config
  }

  static async as(role: string, settings: Record<string, unknown> = {}): Promise<Commands> {
    const config = path.join(folder, `${role}-${randomUUID()}.yaml`)
    await writeFile(
      config,
      configWith({ 'store.url': `spanner://${stack.database.name}`, 'store.role': role, ...settings }),
    )
    return new Commands(await recordStoreAccess(stack.emulator.host), config)
  }

  /** Returns what a command prints. It fails unless the command ends with one of these codes. */
  async run(argv: readonly string[], codes: readonly number[] = [0]): Promise<string> {
    const env = { CALLOUT_CONFIG: this.#config, SPANNER_EMULATOR_HOST: this.access.host }
    const { exitCode, stdout, stderr } = await callout(argv, env)
    assert.ok(codes.includes(exitCode), `${argv.join(' ')}: ${exitCode} ${stderr}`)
    return stdout
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.access[Symbol.asyncDispose]()
  }
}

/** Whatever was read of the tables of the audit was found by a key that is bounded, as those that `AUDIT_STATEMENTS` has. */
function assertFoundByKeys({ statements }: StoreAccess): void {
  const proven = new Set(AUDIT_STATEMENTS.map(({ sql }) => JSON.stringify(seeksOf(sql))))
  const reads = [...statements].filter((sql) => /\bFROM (?:Decisions|AuditCheckpoints|AuditReads)\b/.test(sql))
  assert.ok(reads.length > 0)
  for (const sql of reads) assert.ok(proven.has(JSON.stringify(seeksOf(sql))), sql)
}

const WHY = ['--reason', 'T-1', '--actor', 'ann']
const idOf = (json: string): string => (JSON.parse(json) as [{ readonly id: string }])[0].id

suite('a database role has what is done as this role, and no more:', () => {
  test('callout_service', async () => {
    const principal = `client:${LOCAL_ISSUER_ID}:orders-service`
    await stack.admin.edit(adding('binding', { member: principal, role: 'role:held', reason: 'x', createdBy: 'y' }))
    const token = await stack.provider.clientCredentials('orders-service')
    assert.equal(await isAdmitted(stack, { token }), true)
    await until('the history and a checkpoint are written', 30_000, async () =>
      ['INSERT PolicyHistory', 'INSERT AuditCheckpoints'].every((access) => service.accesses.has(access)),
    )
    await repeatWhatWasStored()
    assert.deepEqual(differences('callout_service', service.accesses), { lacks: [], hasTooMuch: [] })
    assert.deepEqual(service.creatorRoles, new Set(['callout_service']))
    for (const [table, granted] of grantedTo('callout_service', roles.statements).columns) {
      const read = service.columnsRead.get(table) ?? new Set()
      assert.deepEqual(new Set(read.union(await keyColumns(table))), new Set(granted), table)
    }
  })

  test('callout_admin', async () => {
    await using commands = await Commands.as('callout_admin')
    const run = (...argv: readonly string[]): Promise<string> => commands.run(argv)
    const alice = ['--principal', 'user:corp:alice', '--account', 'APP']
    const grant = idOf(await run('grants', 'add', ...alice, '--publish', 'a.b', ...WHY, '--output', 'json'))
    await run('roles', 'set', 'role:reader', '--description', 'reads', ...WHY)
    await run('roles', 'set', 'role:reader', '--description', 'reads more', ...WHY)
    await run('roles', 'bind', 'user:corp:alice', 'role:reader', ...WHY)
    await run('roles', 'bind', 'user:corp:alice', 'role:reader', '--until', '+12h', ...WHY)
    await run('lock', 'add', 'user:corp:eve', ...WHY)
    await run('grants', 'list')
    await run('roles', 'list')
    const [lock] = JSON.parse(await run('lock', 'list', '--target', 'user:corp:eve', '--output', 'json')) as [
      { readonly lockId?: string; readonly id?: string },
    ]
    await run('can', 'user:corp:alice', 'publish', 'a.b')
    await run('who-can', 'publish', 'a.b')
    await run('grants', 'export')
    await commands.run(['grants', 'lint', '--database'], [0, 1])
    const [document, plan] = [path.join(folder, 'team.yaml'), path.join(folder, 'plan.json')]
    const planned = async (text: string): Promise<void> => {
      await writeFile(document, text)
      await commands.run(['grants', 'plan', document, '--scope', 'team', '--prune', '--out', plan], [0, 10])
    }
    await planned(teamDocuments('call us'))
    await commands.run(['grants', 'diff', document, '--scope', 'team'], [10])
    await run('grants', 'apply', plan, ...WHY)
    for (const text of [teamDocuments('call them'), grantDocument('publish: { allow: [orders.one] }')]) {
      await planned(text)
      await run('grants', 'apply', plan, ...WHY)
    }
    await run('history')
    await run('blame', 'user:corp:alice')
    await run('roles', 'unbind', 'user:corp:alice', 'role:reader', ...WHY)
    await run('lock', 'remove', lock.lockId ?? lock.id ?? '', ...WHY)
    await run('grants', 'remove', grant, ...WHY)
    await run('schema', 'status')

    await using reviewed = await Commands.as('callout_admin', { grants: { approval: 'two_persons' } })
    const review = async (subject: string, ruling: string): Promise<void> => {
      await planned(grantDocument(`publish: { allow: [${subject}] }`))
      const proposal = idOf(await reviewed.run(['grants', 'propose', plan, ...WHY, '--output', 'json']))
      await reviewed.run(['grants', 'proposals'])
      await reviewed.run(['grants', 'proposals', proposal])
      await reviewed.run(['grants', ruling, proposal, '--reason', 'T-2', '--actor', 'bob'])
    }
    await review('orders.two', 'approve')
    await review('orders.three', 'reject')

    assertFoundByKeys(commands.access)
    const used = commands.access.accesses.union(reviewed.access.accesses)
    assert.deepEqual(differences('callout_admin', used), { lacks: [], hasTooMuch: [] })
    assert.deepEqual(commands.access.creatorRoles, new Set(['callout_admin']))
  })

  test('callout_auditor', async () => {
    await using commands = await Commands.as('callout_auditor', { 'audit.checkpoints': { key_file: keyFile() } })
    const run = (...argv: readonly string[]): Promise<string> => commands.run([...argv, '--actor', 'eve'])
    const token = await stack.provider.clientCredentials('orders-service')
    assert.equal(await isAdmitted(stack, { token }), true)
    const [line = ''] = (await run('audit', 'search', '--output', 'jsonl')).split('\n')
    const found = JSON.parse(line) as { readonly DecisionId: string }
    await run('audit', 'search', '--grant', 'sample-orders-publish')
    await run('audit', 'show', found.DecisionId)
    await run('audit', 'tail')
    await run('audit', 'stats')
    await run('audit', 'reads')
    await commands.run(['history'])
    await commands.run(['audit', 'verify'], [0, 1, 2])
    await commands.run(['audit', 'prove', found.DecisionId], [0, 1, 2, 3])
    await run('audit', 'export')
    assertFoundByKeys(commands.access)
    const views = ['RecentDenials', 'ActiveSessions', 'PrincipalDecisions', 'GrantUse']
    const underViews = ['Decisions', 'Grants', 'GrantSetMembers']
    const used = commands.access.accesses.union(new Set([...views, ...underViews].map((name) => `SELECT ${name}`)))
    assert.deepEqual(differences('callout_auditor', used), { lacks: [], hasTooMuch: [] })
  })

  test('and each question of README.md can be asked in SQL by an auditor or an admin', async () => {
    const statements = sqlOf(await readFile(README, 'utf8')).filter((sql) => !sql.startsWith('INSERT'))
    const can = ['callout_auditor', 'callout_admin'].map((role) => grantedTo(role, roles.statements).accesses)
    for (const sql of statements) {
      const needed = accessesOfSql(sql)
      assert.ok(needed.length > 0, sql)
      assert.ok(
        can.some((granted) => needed.every((access) => granted.has(access))),
        sql,
      )
    }
  })
})

function teamDocuments(message: string): string {
  return `${grantDocument('publish: { allow: [orders.one] }', `name: orders, ticket: ${message}`)}---
apiVersion: callout.nats/v1
kind: Role
metadata: { name: writer }
spec: { role: 'role:writer', description: ${message} }
---
apiVersion: callout.nats/v1
kind: Lock
metadata: { name: inc-7 }
spec: { targets: ['user:corp:mallory'], message: ${message} }
`
}

/** As after a commit whose answer was lost: what was stored then is looked at. */
async function repeatWhatWasStored(): Promise<void> {
  const events = new RecordedEvents()
  const place = { database: stack.database.name, role: 'callout_service', emulatorHost: service.host }
  await using database = new SpannerDatabase({ ...place, clock, events })
  for (let time = 0; time < 2; time += 1) {
    const chain = createAuditChain(randomUUID(), sha256)
    await createDecisionLog({ database, chain, clock }).append([anEntry()], inMs(10_000))
    const store = createCheckpointStore(database, 'instance-1')
    await store.add({ chainId: 'chain', seq: 1, rowHash: '', lost: [] }, 'note', inMs(10_000))
  }
}

async function keyColumns(table: string): Promise<ReadonlySet<string>> {
  const rows = await stack.database.query(
    `SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.INDEX_COLUMNS WHERE TABLE_NAME = '${table}' AND INDEX_TYPE = 'PRIMARY_KEY'`,
    {},
    inMs(10_000),
  )
  return new Set(rows.map((row) => new RowReader('INDEX_COLUMNS', ['COLUMN_NAME'], row).string()))
}
