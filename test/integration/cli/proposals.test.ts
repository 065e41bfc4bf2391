import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { adding } from '../../../src/service/policy-edit.ts'
import { CHANGES_PER_PROPOSAL_MAX } from '../../../src/service/proposals.ts'
import { grantDocument } from '../../support/documents.ts'
import { grantedSubjects, policyStand, TEAM_DOCUMENTS, type PolicyStand } from '../../support/policy-stand.ts'
import { startOwnEmulator } from '../../support/spanner.ts'

let emulator: SpannerEmulator
let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'callout-proposals-'))
  emulator = await startOwnEmulator()
})
after(async () => {
  await emulator.stop()
  await rm(dir, { recursive: true, force: true })
})

const stand = (): Promise<PolicyStand> => policyStand(emulator.host, dir, { grants: { approval: 'two_persons' } })

const EDIT = ['--reason', 'T-1', '--actor', 'ann']

suite('grants under two persons', () => {
  test('are proposed by one and applied by another, and both are recorded', async () => {
    await using here = await stand()
    const file = await here.file('team.yaml', TEAM_DOCUMENTS)
    await here.callout('grants', 'plan', file, '--scope', 'team', '--out', here.path('plan.json'))
    const direct = await here.callout('grants', 'apply', here.path('plan.json'), ...EDIT)
    assert.equal(direct.exitCode, 1)
    assert.match(direct.stderr, /callout grants propose/)
    const proposed = await here.callout('grants', 'propose', here.path('plan.json'), ...EDIT, '--output', 'json')
    assert.equal(proposed.exitCode, 0, proposed.stderr)
    const [{ id }] = JSON.parse(proposed.stdout) as [{ id: string }]
    assert.match((await here.callout('grants', 'proposals')).stdout, new RegExp(`${id} +open +ann`))
    const shown = await here.callout('grants', 'proposals', id)
    const digest = /digest (\S+)/.exec(shown.stderr)?.[1] ?? ''
    assert.match(shown.stdout, /^\+ grant user:corp:alice/)

    for (const dryRun of [['--dry-run'], []]) {
      const own = await here.callout('grants', 'approve', id, ...EDIT, ...dryRun)
      assert.equal(own.exitCode, 1)
      assert.match(own.stderr, /ann proposed it, so somebody else has to approve it/)
    }
    const bob = ['--reason', 'looks right', '--actor', 'bob']
    assert.equal((await here.callout('grants', 'approve', id, ...bob, '--digest', 'sha256:0')).exitCode, 3)
    const approved = await here.callout('grants', 'approve', id, ...bob, '--digest', digest)
    assert.equal(approved.exitCode, 0, approved.stderr)
    assert.deepEqual(await grantedSubjects(here.admin), ['orders.new', 'orders.old'])
    assert.equal((await here.admin.scan('grant', 1))[0]?.createdBy, 'ann')
    for (const decision of ['approve', 'reject'])
      for (const dryRun of [['--dry-run'], []])
        assert.equal((await here.callout('grants', decision, id, ...bob, ...dryRun)).exitCode, 3)
    const all = await here.callout('grants', 'proposals', '--all', '--output', 'json')
    const [proposal] = JSON.parse(all.stdout) as [{ state: string; decidedBy: string; decisionReason: string }]
    assert.deepEqual([proposal.state, proposal.decidedBy, proposal.decisionReason], ['applied', 'bob', 'looks right'])
  })

  test('are not applied once the rows have moved, and the proposal stays open', async () => {
    await using here = await stand()
    const file = await here.file('team.yaml', TEAM_DOCUMENTS)
    await here.callout('grants', 'plan', file, '--scope', 'team', '--out', here.path('plan.json'))
    const proposed = await here.callout('grants', 'propose', here.path('plan.json'), ...EDIT, '--output', 'json')
    const [{ id }] = JSON.parse(proposed.stdout) as [{ id: string }]
    await here.admin.edit(adding('lock', { id: 'l1', target: 'everyone', scope: 'team', reason: 'x', createdBy: 'y' }))
    const { exitCode, stderr } = await here.callout('grants', 'approve', id, '--reason', 'ok', '--actor', 'bob')
    assert.equal(exitCode, 3, stderr)
    assert.deepEqual(await grantedSubjects(here.admin), [])
    assert.match((await here.callout('grants', 'proposals')).stdout, / open /)
    const rejected = await here.callout('grants', 'reject', id, '--reason', 'stale', '--actor', 'ann')
    assert.equal(rejected.exitCode, 0, rejected.stderr)
    assert.equal((await here.callout('grants', 'approve', id, '--reason', 'ok', '--actor', 'bob')).exitCode, 3)
  })

  test('are not added or removed directly', async () => {
    await using here = await stand()
    const added = await here.callout(
      'grants',
      'add',
      '--principal',
      'user:corp:bob',
      '--account',
      'APP',
      '--publish',
      'a',
      ...EDIT,
    )
    assert.equal(added.exitCode, 1)
    assert.match(added.stderr, /callout grants propose/)
    assert.deepEqual(await grantedSubjects(here.admin), [])
  })

  test('are proposed in parts when there are more of them than one transaction bears', async () => {
    await using here = await stand()
    const file = await here.file('many.yaml', manyGrants(CHANGES_PER_PROPOSAL_MAX + 1))
    await here.callout('grants', 'plan', file, '--scope', 'team', '--out', here.path('plan.json'))
    const { exitCode, stderr } = await here.callout('grants', 'propose', here.path('plan.json'), ...EDIT)
    assert.equal(exitCode, 2)
    assert.match(stderr, /the plan has 301 changes, and at most 300 can be approved at once: plan a part /)
    assert.equal((await here.callout('grants', 'proposals')).stdout.split('\n').length, 2)
  })

  test('are applied once, all of the most that may be proposed, of two who approve at the same moment', async () => {
    await using here = await stand()
    const file = await here.file('many.yaml', manyGrants(CHANGES_PER_PROPOSAL_MAX))
    await here.callout('grants', 'plan', file, '--scope', 'team', '--out', here.path('plan.json'))
    const proposed = await here.callout('grants', 'propose', here.path('plan.json'), ...EDIT, '--output', 'json')
    assert.equal(proposed.exitCode, 0, proposed.stderr)
    const [{ id }] = JSON.parse(proposed.stdout) as [{ id: string }]
    const approved = await Promise.all(
      ['bob', 'eve'].map((actor) => here.callout('grants', 'approve', id, '--reason', 'ok', '--actor', actor)),
    )
    assert.deepEqual(
      approved.map(({ exitCode }) => exitCode).toSorted((a, b) => a - b),
      [0, 3],
    )
    assert.match(approved.find(({ exitCode }) => exitCode === 3)?.stderr ?? '', /the proposal was applied/)
    const rows = await here.admin.scan('grant', 1000)
    assert.equal(rows.length, CHANGES_PER_PROPOSAL_MAX)
    assert.equal(new Set(rows.map(({ createdAt }) => createdAt)).size, 1)
  })
})

/** One document that makes so many rows. */
function manyGrants(count: number): string {
  return grantDocument(
    `publish: { allow: [${Array.from({ length: count }, (_, index) => `orders.${index}`).join(', ')}] }`,
  )
}
