import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { adding } from '../../../src/service/policy-edit.ts'
import { grantDocument } from '../../support/documents.ts'
import { grantedSubjects, policyStand, TEAM_DOCUMENTS, type PolicyStand } from '../../support/policy-stand.ts'
import { startOwnEmulator } from '../../support/spanner.ts'

let emulator: SpannerEmulator
let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'callout-gitops-'))
  emulator = await startOwnEmulator()
})
after(async () => {
  await emulator.stop()
  await rm(dir, { recursive: true, force: true })
})

const stand = (settings: Record<string, unknown> = {}): Promise<PolicyStand> =>
  policyStand(emulator.host, dir, settings)

const EDIT = ['--reason', 'T-1', '--actor', 'ann']
const APPLIED = { source: 'command', actor: 'bob', reason: 'a test' } as const

/** Plans and applies. */
async function apply({ callout, path }: PolicyStand, ...argv: string[]): Promise<void> {
  const plan = await callout('grants', 'plan', ...argv, '--out', path('plan.json'))
  assert.equal(plan.exitCode, 10, plan.stderr)
  const applied = await callout('grants', 'apply', path('plan.json'), ...EDIT)
  assert.equal(applied.exitCode, 0, applied.stderr)
}

suite('grants plan and apply', () => {
  test('add rows, and then there is nothing to do', async () => {
    await using here = await stand()
    const file = await here.file('team.yaml', TEAM_DOCUMENTS)
    const plan = await here.callout('grants', 'plan', file, '--scope', 'team', '--out', here.path('plan.json'))
    assert.equal(plan.exitCode, 10, plan.stderr)
    assert.match(plan.stdout, /^\+ grant user:corp:alice APP allow publish orders\.new\n/)
    assert.match(plan.stdout, /\nRows: 3 to add, 0 to change, 0 to remove, 0 unchanged\.\n/)
    assert.deepEqual(await grantedSubjects(here.admin), [])
    const applied = await here.callout('grants', 'apply', here.path('plan.json'), ...EDIT)
    assert.equal(applied.exitCode, 0, applied.stderr)
    const [row] = await here.admin.scan('grant', 1)
    assert.deepEqual([row?.scope, row?.name, row?.reason, row?.createdBy], ['team', 'orders', 'T-1', 'ann'])
    const again = await here.callout('grants', 'plan', file, '--scope', 'team')
    assert.deepEqual([again.exitCode, again.stdout], [0, 'Rows: 0 to add, 0 to change, 0 to remove, 3 unchanged.\n'])
  })

  test('change and, only when asked to prune, remove rows of the scope and no others', async () => {
    await using here = await stand()
    await apply(here, await here.file('team.yaml', TEAM_DOCUMENTS), '--scope', 'team')
    await apply(here, await here.file('other.yaml', grantDocument('publish: { allow: [other] }')), '--scope', 'other')
    await here.callout(
      'grants',
      'add',
      '--principal',
      'user:corp:bob',
      '--account',
      'APP',
      '--publish',
      'loose',
      ...EDIT,
    )
    const changed = grantDocument('publish: { allow: [orders.new] }\nvalidUntil: 2099-01-01T00:00:00Z')
    const file = await here.file('team.yaml', changed)
    const kept = await here.callout('grants', 'plan', file, '--scope', 'team')
    assert.match(
      kept.stdout,
      /Rows: 0 to add, 1 to change, 0 to remove, 0 unchanged\.\n2 rows of the scope are in no document and stay/,
    )
    assert.match(kept.stdout, /\n {4}validUntil: ∅ → 2099-01-01T00:00:00Z\n/)
    await apply(here, file, '--scope', 'team', '--prune')
    assert.deepEqual(await grantedSubjects(here.admin), ['loose', 'orders.new', 'other'])
    assert.deepEqual(await here.admin.scan('binding', 10), [])
  })

  test('refuse with 3 and do nothing when a row to be changed was changed since', async () => {
    await using here = await stand()
    const file = await here.file('team.yaml', TEAM_DOCUMENTS)
    await apply(here, file, '--scope', 'team')
    await here.file('team.yaml', TEAM_DOCUMENTS.replace('name: orders', 'name: orders, owner: ann'))
    await here.callout('grants', 'plan', file, '--scope', 'team', '--out', here.path('plan.json'))
    const [row] = await here.admin.scan('grant', 1)
    assert.ok(row)
    const moved = { ...row, ticket: 'OPS-9', reason: 'by hand' }
    await here.admin.edit({ ...APPLIED, changes: [{ kind: 'grant', before: row, after: moved }] })
    const { exitCode, stderr } = await here.callout('grants', 'apply', here.path('plan.json'), ...EDIT)
    assert.equal(exitCode, 3)
    assert.match(stderr, /somebody changed the grant user:corp:alice orders-\S+; nothing was done/)
    assert.deepEqual(
      (await here.admin.scan('grant', 10)).map(({ owner }) => owner),
      [undefined, undefined],
    )
  })

  test('refuse with 3 when another row came to the scope since', async () => {
    await using here = await stand()
    const file = await here.file('team.yaml', TEAM_DOCUMENTS)
    await here.callout('grants', 'plan', file, '--scope', 'team', '--prune', '--out', here.path('plan.json'))
    const row = { id: 'x', principal: 'user:corp:eve', account: 'APP', effect: 'allow', action: 'publish' } as const
    await here.admin.edit(adding('grant', { ...row, subject: 'x', scope: 'team', reason: 'sql', createdBy: 'eve' }))
    const { exitCode, stderr } = await here.callout('grants', 'apply', here.path('plan.json'), ...EDIT)
    assert.equal(exitCode, 3)
    assert.match(stderr, /the scope team has other rows of Grants meanwhile; make a new plan/)
    assert.deepEqual(await grantedSubjects(here.admin), ['x'])
  })

  test('do nothing again when a plan is applied twice', async () => {
    await using here = await stand()
    await apply(here, await here.file('team.yaml', TEAM_DOCUMENTS), '--scope', 'team')
    const again = await here.callout('grants', 'apply', here.path('plan.json'), ...EDIT)
    assert.equal(again.exitCode, 0, again.stderr)
    assert.match(again.stderr, /3 of the changes were made before\n$/)
  })

  test('do nothing with --dry-run', async () => {
    await using here = await stand()
    const file = await here.file('team.yaml', TEAM_DOCUMENTS)
    await here.callout('grants', 'plan', file, '--scope', 'team', '--out', here.path('plan.json'))
    const dry = await here.callout('grants', 'apply', here.path('plan.json'), ...EDIT, '--dry-run')
    assert.equal(dry.exitCode, 0, dry.stderr)
    assert.deepEqual(await grantedSubjects(here.admin), [])
  })

  test('refuse documents with problems with 2, all of them at their places', async () => {
    await using here = await stand()
    const file = await here.file('bad.yaml', grantDocument('publish: { allow: [a..b, ok, c..d] }'))
    const { exitCode, stderr, stdout } = await here.callout('grants', 'plan', file)
    assert.deepEqual([exitCode, stdout], [2, ''])
    assert.equal(stderr.match(/bad\.yaml:doc 1: spec\.publish\.allow\[[02]\]: token 2 /g)?.length, 2)
  })

  test('refuse a grant of everything with 2 unless the document says that it is meant', async () => {
    await using here = await stand()
    const file = await here.file('wide.yaml', grantDocument("publish: { allow: ['>'] }"))
    const { exitCode, stderr } = await here.callout('grants', 'plan', file)
    assert.equal(exitCode, 2)
    assert.match(stderr, /allow publish > grants more than is usually meant; .*force: true/)
    await apply(here, await here.file('wide.yaml', grantDocument("publish: { allow: ['>'] }\nforce: true")))
    assert.equal((await here.admin.scan('grant', 1))[0]?.forced, true)
  })

  test('refuse with 3 to take a row of another scope, and one without a scope unless told to adopt it', async () => {
    await using here = await stand()
    const binding = TEAM_DOCUMENTS.slice(TEAM_DOCUMENTS.indexOf('---\napiVersion: callout.nats/v1\nkind: RoleBinding'))
    const file = await here.file('team.yaml', binding)
    await apply(here, file)
    const foreign = await here.callout('grants', 'plan', file, '--scope', 'team')
    assert.equal(foreign.exitCode, 3)
    assert.match(foreign.stderr, /binding group:corp:ops role:reader belongs to no scope; .*--adopt/)
    await apply(here, file, '--scope', 'team', '--adopt')
    assert.equal((await here.callout('grants', 'plan', file, '--scope', 'team')).exitCode, 0)
    const other = await here.callout('grants', 'plan', file, '--scope', 'other', '--adopt')
    assert.deepEqual([other.exitCode, /belongs to the scope team/.test(other.stderr)], [3, true])
  })

  test('refuse a plan that was changed, cut, or made for another database', async () => {
    await using here = await stand()
    await using elsewhere = await stand()
    const file = await here.file('team.yaml', TEAM_DOCUMENTS)
    await here.callout('grants', 'plan', file, '--scope', 'team', '--out', here.path('plan.json'))
    const plan = await readFile(here.path('plan.json'), 'utf8')
    for (const [text, problem] of [
      [plan.replace('orders.new', 'orders.>'), /does not have the digest that it names/],
      [plan.slice(0, -10), /is not JSON/],
      ['{"apiVersion":"callout.nats/v1"}', /kind/],
    ] as const) {
      const { exitCode, stderr } = await here.callout('grants', 'apply', await here.file('bad.json', text), ...EDIT)
      assert.equal(exitCode, 2)
      assert.match(stderr, problem)
    }
    const { exitCode, stderr } = await elsewhere.callout('grants', 'apply', here.path('plan.json'), ...EDIT)
    assert.equal(exitCode, 2)
    assert.match(stderr, /the plan was made for projects\//)
  })
})

suite('grants export', () => {
  test('writes rows of commands and of SQL so that planning them leaves nothing to do', async () => {
    await using here = await stand()
    await apply(here, await here.file('team.yaml', TEAM_DOCUMENTS), '--scope', 'team')
    await here.callout(
      'grants',
      'add',
      '--principal',
      'user:corp:bob',
      '--account',
      'APP',
      '--publish',
      'a.>',
      '--until',
      '2099-01-01T00:00:00Z',
      ...EDIT,
    )
    await here.admin.edit(
      adding('lock', { id: 'l1', target: 'address', sourceCidr: '10.0.0.0/8', reason: 'x', createdBy: 'y' }),
    )
    const exported = await here.callout('grants', 'export')
    assert.equal(exported.exitCode, 0, exported.stderr)
    const file = await here.file('all.yaml', exported.stdout)
    const plan = await here.callout('grants', 'plan', file)
    assert.deepEqual([plan.exitCode, plan.stdout], [0, 'Rows: 0 to add, 0 to change, 0 to remove, 5 unchanged.\n'])
    const scoped = await here.callout('grants', 'export', '--scope', 'team')
    const team = await here.file('only.yaml', scoped.stdout)
    assert.equal((await here.callout('grants', 'plan', team, '--scope', 'team', '--prune')).exitCode, 0)
    const one = await here.callout('grants', 'export', '--principal', 'user:corp:bob')
    assert.match(
      one.stdout,
      /^---\napiVersion: callout\.nats\/v1\nkind: Grant\nmetadata:\n {2}id: \S+\nspec:\n {2}principals:\n {4}- user:corp:bob\n/,
    )
    assert.equal(one.stdout.match(/---/g)?.length, 1)
  })

  test('says which row no document can stand for, and exits with 1', async () => {
    await using here = await stand()
    const lock = { id: 'l1', target: 'everyone', labels: ['no pair'], reason: 'x', createdBy: 'y' }
    await here.admin.edit(adding('lock', lock))
    const { exitCode, stdout, stderr } = await here.callout('grants', 'export')
    assert.deepEqual([exitCode, stdout], [1, ''])
    assert.match(stderr, /lock everyone cannot be written as a document: metadata\.labels: /)
  })
})

suite('grants diff', () => {
  test('shows documents against the rows as unified text, and exits with 10', async () => {
    await using here = await stand()
    const file = await here.file('team.yaml', TEAM_DOCUMENTS)
    const fresh = await here.callout('grants', 'diff', file, '--scope', 'team')
    assert.equal(fresh.exitCode, 10)
    assert.match(fresh.stdout, /^--- \/dev\/null\n\+\+\+ \S+team\.yaml:doc 1\n@@ -1 \+1 @@\n\+apiVersion/)
    await apply(here, file, '--scope', 'team')
    assert.deepEqual(await here.callout('grants', 'diff', file, '--scope', 'team'), {
      exitCode: 0,
      stdout: '',
      stderr: '',
    })
    await here.file('team.yaml', TEAM_DOCUMENTS.replace('orders.old', 'orders.next'))
    const { exitCode, stdout } = await here.callout('grants', 'diff', file, '--scope', 'team')
    assert.equal(exitCode, 10)
    assert.match(stdout, /^--- database\n\+\+\+ \S+team\.yaml:doc 1\n@@ /)
    assert.deepEqual(
      stdout.match(/^[+-] .*$/gm)?.map((line) => line.replace(/ +/, ' ')),
      ['+ - orders.next', '- - orders.old'].sort((a, b) => stdout.indexOf(a.slice(2)) - stdout.indexOf(b.slice(2))),
    )
  })
})

suite('grants lint', () => {
  test('finds what is wrong in documents and in the database, and exits with 1 on errors', async () => {
    await using here = await stand()
    const file = await here.file('bad.yaml', grantDocument("publish: { allow: ['>', orders.new] }"))
    const documents = await here.callout('grants', 'lint', file, '--output', 'json')
    assert.equal(documents.exitCode, 1)
    const found = JSON.parse(documents.stdout) as { rule: string; level: string; at: string }[]
    assert.deepEqual(
      found.map(({ rule, level, at }) => [rule, level, at.replace(/^.*\//, '')]).filter(([rule]) => rule !== 'wide'),
      [['shadowed', 'warning', 'bad.yaml:doc 1: spec.publish.allow[1]']],
    )
    assert.deepEqual(await here.callout('grants', 'lint', '--database'), {
      exitCode: 0,
      stdout: 'nothing found\n',
      stderr: '',
    })
    const row = { id: 'x', principal: 'user:other:eve', account: 'APP', effect: 'allow', action: 'publish' } as const
    await here.admin.edit(adding('grant', { ...row, subject: 'x', reason: 'sql', createdBy: 'eve' }))
    const { exitCode, stdout } = await here.callout('grants', 'lint', '--database')
    assert.equal(exitCode, 1)
    assert.match(
      stdout,
      /error +issuer_unknown +grant user:other:eve x +principal +no issuer of the configuration has the id other\n/,
    )
  })

  test('holds the rows of a person against those of the roles of that person', async () => {
    await using here = await stand()
    const row = { account: 'APP', effect: 'allow', action: 'subscribe', reason: 'x', createdBy: 'eve' } as const
    const own = { ...row, id: 'own', principal: 'user:corp:alice', subject: 'orders.*.items' }
    await here.admin.edit(
      adding('grant', own, { ...row, id: 'of-role', principal: 'role:reader', subject: 'orders.*' }),
    )
    await here.admin.edit(
      adding('binding', { member: 'user:corp:alice', role: 'role:reader', reason: 'x', createdBy: 'y' }),
    )
    const { exitCode, stdout } = await here.callout('grants', 'lint', '--database')
    assert.equal(exitCode, 0)
    assert.match(
      stdout,
      /warning +closed +grant user:corp:alice own +subject +orders\.\*\.items is closed for user:corp:alice, as grant role:reader of-role /,
    )
  })
})
