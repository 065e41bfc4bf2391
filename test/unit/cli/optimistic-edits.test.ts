import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { reportFailure } from '../../../src/cli/failure-report.ts'
import { removeGrantOf } from '../../../src/cli/grants-command.ts'
import type { CliIo } from '../../../src/cli/io.ts'
import { addLockTo, lockFrom, removeLockOf } from '../../../src/cli/lock-command.ts'
import { bindRoleOf, setRoleOf, unbindRoleOf } from '../../../src/cli/roles-command.ts'
import { ADDRESS_LOCKS_MAX } from '../../../src/core/locks.ts'
import type { PolicyChange, PolicyRow } from '../../../src/core/policy-row.ts'
import { adding } from '../../../src/service/policy-edit.ts'
import type { PolicyAdmin } from '../../../src/service/ports.ts'
import { aNewGrant } from '../../contract/stored-rows.ts'
import { NOW_MS } from '../../support/builders.ts'
import { MemoryPolicyStore } from '../../support/memory-store.ts'
import { recordingIo, type CommandResult } from './recorded-io.ts'

const ORIGIN = { reason: 'x', createdBy: 'ann' }
const OPTIONS = { reason: 'x', actor: 'bob', output: 'json' } as const
const BY_CARL = { actor: 'carl', reason: 'x', source: 'command' } as const
const GRANT = aNewGrant()
const LOCK = { id: 'l1', target: 'everyone', ...ORIGIN }
const ROLE = { role: 'role:reader', sessionMaxMs: 60_000, description: 'reads', ...ORIGIN }
const BINDING = { member: 'user:corp:alice', role: 'role:reader', validUntilMs: NOW_MS, ...ORIGIN }

async function withRows(): Promise<MemoryPolicyStore> {
  const store = new MemoryPolicyStore()
  await store.edit(adding('grant', GRANT))
  await store.edit(adding('lock', LOCK))
  await store.edit(adding('role', ROLE))
  await store.edit(adding('binding', BINDING))
  return store
}

/** Another admin comes between the look and the edit. */
function raced(store: MemoryPolicyStore, meanwhile: () => Promise<void>): PolicyAdmin {
  const racing: PolicyAdmin = {
    edit: async (edit) => {
      await meanwhile()
      await store.edit(edit)
    },
    listGrants: (filter, limit) => store.listGrants(filter, limit),
    scan: (kind, limit, after) => store.scan(kind, limit, after),
    startingWith: (kind, key, limit) => store.startingWith(kind, key, limit),
    lookUp: (rows) => store.lookUp(rows),
    findGrant: (id) => store.findGrant(id),
    findLock: (id) => store.findLock(id),
  }
  return racing
}

async function outcome(run: (io: CliIo) => Promise<number>): Promise<CommandResult> {
  const { io, stdout, stderr } = recordingIo()
  const exitCode = await run(io).catch((error: unknown) => reportFailure(error, io))
  return { exitCode, stdout: stdout(), stderr: stderr() }
}

/** The stored row of the kind with another author. */
async function touch(store: MemoryPolicyStore, kind: PolicyRow['kind']): Promise<void> {
  const [before] = await store.scan(kind, 1)
  assert.ok(before)
  const { createdAt: _, ...row } = before
  const after = { ...row, createdBy: 'carl' }
  await store.edit({ ...BY_CARL, changes: [{ kind, before, after } as PolicyChange] })
}

async function vanish(store: MemoryPolicyStore, kind: PolicyRow['kind']): Promise<void> {
  const [before] = await store.scan(kind, 1)
  assert.ok(before)
  await store.edit({ ...BY_CARL, changes: [{ kind, before } as PolicyChange] })
}

const COMMANDS: readonly (readonly [
  command: string,
  kind: PolicyRow['kind'],
  row: string,
  run: (admin: PolicyAdmin, io: CliIo, options: typeof OPTIONS & { readonly dryRun?: boolean }) => Promise<number>,
])[] = [
  [
    'grants remove',
    'grant',
    'grant user:corp:alice g1',
    (admin, io, options) => removeGrantOf(admin, 'g1', options, io),
  ],
  ['lock remove', 'lock', 'lock everyone l1', (admin, io, options) => removeLockOf(admin, 'l1', options, io)],
  [
    'roles set',
    'role',
    'role role:reader',
    (admin, io, options) => setRoleOf(admin, 'role:reader', { description: 'new' }, options, io),
  ],
  [
    'roles bind',
    'binding',
    'binding user:corp:alice role:reader',
    (admin, io, options) =>
      bindRoleOf(admin, { member: BINDING.member, role: BINDING.role, reason: 'x', createdBy: 'bob' }, options, io),
  ],
  [
    'roles unbind',
    'binding',
    'binding user:corp:alice role:reader',
    (admin, io, options) => unbindRoleOf(admin, BINDING.member, BINDING.role, options, io),
  ],
]

for (const [command, kind, row, run] of COMMANDS) {
  suite(`callout ${command}`, () => {
    test('exits with 3 when the row was changed since it was looked at, names row and author, and shows nothing', async () => {
      const store = await withRows()
      const admin = raced(store, () => touch(store, kind))
      assert.deepEqual(await outcome((io) => run(admin, io, OPTIONS)), {
        exitCode: 3,
        stdout: '',
        stderr: `callout: the ${row} was changed by carl meanwhile\n`,
      })
      assert.equal((await store.scan(kind, 1))[0]?.createdBy, 'carl')
    })

    test('exits with 3 when the row is gone since it was looked at', async () => {
      const store = await withRows()
      const admin = raced(store, () => vanish(store, kind))
      assert.deepEqual(await outcome((io) => run(admin, io, OPTIONS)), {
        exitCode: 3,
        stdout: '',
        stderr: `callout: the ${row} is not there any more\n`,
      })
    })

    test('changes what it looked at when nobody came between', async () => {
      const store = await withRows()
      const { exitCode, stderr } = await outcome((io) => run(store, io, OPTIONS))
      assert.deepEqual([exitCode, stderr], [0, ''])
      assert.notEqual((await store.scan(kind, 1))[0]?.createdBy, 'ann')
    })

    test('changes nothing in a dry run', async () => {
      const store = await withRows()
      const before = await store.scan(kind, 10)
      const { exitCode, stdout, stderr } = await outcome((io) => run(store, io, { ...OPTIONS, dryRun: true }))
      assert.deepEqual([exitCode, stderr], [0, 'callout: dry run: nothing was done\n'])
      assert.equal((JSON.parse(stdout) as object[]).length, 1)
      assert.deepEqual(await store.scan(kind, 10), before)
    })
  })
}

suite('callout roles set', () => {
  test('keeps what is not given', async () => {
    const store = await withRows()
    await outcome((io) => setRoleOf(store, 'role:reader', { description: 'new' }, OPTIONS, io))
    const [{ sessionMaxMs, description } = assert.fail()] = await store.scan('role', 1)
    assert.deepEqual([sessionMaxMs, description], [60_000, 'new'])
  })

  test('takes a setting away, and keeps the others', async () => {
    const store = await withRows()
    await outcome((io) => setRoleOf(store, 'role:reader', { sessionMaxMs: undefined }, OPTIONS, io))
    const [row = assert.fail()] = await store.scan('role', 1)
    assert.deepEqual(['sessionMaxMs' in row, row.description], [false, 'reads'])
  })

  test('does not take over a role that somebody made meanwhile', async () => {
    const store = new MemoryPolicyStore()
    const admin = raced(store, () => store.edit(adding('role', ROLE)))
    const { exitCode } = await outcome((io) => setRoleOf(admin, 'role:reader', { description: 'new' }, OPTIONS, io))
    assert.equal(exitCode, 3)
  })
})

suite('callout lock add', () => {
  test('takes no more locks on addresses than every decision can look at', async () => {
    const store = new MemoryPolicyStore()
    const lock = (index: number) => ({ id: `a${index}`, target: 'address', sourceCidr: '10.0.0.0/8', ...ORIGIN })
    await store.edit(adding('lock', ...Array.from({ length: ADDRESS_LOCKS_MAX }, (_, index) => lock(index))))
    const onAddress = lockFrom('address:10.0.0.0/8', OPTIONS, NOW_MS)
    const refused = await outcome((io) => addLockTo(store, onAddress, OPTIONS, io))
    assert.equal(refused.exitCode, 1)
    assert.match(refused.stderr, /^callout: there are 1000 locks on addresses.*\n$/)
    const onUser = lockFrom('user:corp:alice', OPTIONS, NOW_MS)
    assert.equal((await outcome((io) => addLockTo(store, onUser, OPTIONS, io))).exitCode, 0)
  })

  for (const [what, target, change, problem] of [
    ['a role', 'role:reader', {}, /a role cannot be locked/],
    ['a block that is none', 'address:10.0.0.1/8', {}, /bits set/],
    ['a message of several lines', 'everyone', { message: 'a\nb' }, /--message must not hold control characters/],
    ['a message without end', 'everyone', { message: 'x'.repeat(257) }, /--message must be at most 256/],
    ['an end that has passed', 'everyone', { until: '2001-01-01T00:00:00Z' }, /--until must be later than now/],
  ] as const)
    test(`refuses ${what}`, () => {
      assert.throws(() => lockFrom(target, { ...OPTIONS, ...change }, NOW_MS), { exitCode: 2, message: problem })
    })
})
