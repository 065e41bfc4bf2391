import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createEmulatorDatabase } from '../../../src/dev/emulator-database.ts'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { DatabaseAdmin } from '../../../src/spanner/database-admin.ts'
import { MIGRATIONS } from '../../../src/spanner/migrations.ts'
import { startOwnEmulator } from '../../support/spanner.ts'
import { configWith } from '../../unit/config/config-text.ts'
import { callout as runCallout, type CommandResult } from '../../unit/cli/recorded-io.ts'

let emulator: SpannerEmulator
let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'callout-cli-'))
  emulator = await startOwnEmulator()
})
after(async () => {
  await emulator.stop()
  await rm(dir, { recursive: true, force: true })
})

type Callout = (...argv: string[]) => Promise<CommandResult>

/** `callout` with a configuration for this database. */
async function calloutFor(database: string): Promise<Callout> {
  const config = join(await mkdtemp(join(dir, 'case-')), 'callout.yaml')
  await writeFile(config, configWith({ 'store.url': `spanner://${database}` }))
  const env = { CALLOUT_CONFIG: config, SPANNER_EMULATOR_HOST: emulator.host }
  return (...argv) => runCallout(argv, env)
}

async function withSchema(): Promise<Callout> {
  const callout = await calloutFor(await createEmulatorDatabase(emulator.host))
  const { exitCode, stderr } = await callout('schema', 'apply')
  assert.equal(exitCode, 0, stderr)
  return callout
}

const ALICE = ['--principal', 'user:corp:alice', '--account', 'APP', '--actor', 'admin']

interface WrittenGrant {
  readonly id: string
  readonly subject: string
  readonly [name: string]: unknown
}

function grantsOf({ exitCode, stdout, stderr }: CommandResult): WrittenGrant[] {
  assert.equal(exitCode, 0, stderr)
  return JSON.parse(stdout) as WrittenGrant[]
}

function daysByTable(json: string): Readonly<Record<string, number>> {
  const tables = JSON.parse(json) as { readonly table: string; readonly days: number }[]
  return Object.fromEntries(tables.map(({ table, days }) => [table, days]))
}

suite('schema', () => {
  test('retention is 400 days, is changed for all of the audit, and says what becomes of the rows', async () => {
    const callout = await withSchema()
    const shown = await callout('schema', 'retention')
    assert.match(
      shown.stdout,
      /^TABLE +DAYS +POLICY\nDecisions +400 .*\nGrantSetMembers +402 .*\nAuditCheckpoints +400 .*\n/,
    )
    assert.match(shown.stderr, /72 hours.*the emulator never/)
    const changed = await callout('schema', 'retention', '--days', '500', '--output', 'json')
    assert.equal(changed.exitCode, 0, changed.stderr)
    assert.doesNotMatch(changed.stderr, /warning/)
    assert.deepEqual(daysByTable(changed.stdout), {
      Decisions: 500,
      GrantSetMembers: 502,
      AuditCheckpoints: 500,
      AuditReads: 500,
    })
    assert.equal((await callout('schema', 'retention', '--output', 'json')).stdout, changed.stdout)
    assert.equal((await callout('schema', 'status')).exitCode, 0)
  })

  test('retention that is shortened warns, and a dry run only prints the statements', async () => {
    const callout = await withSchema()
    const { stdout, stderr } = await callout('schema', 'retention', '--days', '364', '--dry-run')
    assert.match(
      stdout,
      /^ALTER TABLE Decisions REPLACE ROW DELETION POLICY \(OLDER_THAN\(DecidedAt, INTERVAL 364 DAY\)\);\n/,
    )
    assert.match(stderr, /PCI DSS 10\.5\.1/)
    assert.match(stderr, /older than 364 days go, for good/)
    assert.match(stderr, /nothing was done/)
    assert.equal(daysByTable((await callout('schema', 'retention', '--output', 'json')).stdout)['Decisions'], 400)
    const same = await callout('schema', 'retention', '--days', '400', '--dry-run')
    assert.deepEqual([same.stdout, /warning/.test(same.stderr)], ['nothing to do\n', false])
  })

  test('retention below 30 days, and what is no number of days, is refused', async () => {
    const callout = await withSchema()
    for (const days of ['29', '0', '-1', '1e3', '40.5', '36501', ''])
      assert.equal((await callout('schema', 'retention', `--days=${days}`)).exitCode, 2, days)
  })

  test('retention that somebody took away is told, and set again', async () => {
    const name = await createEmulatorDatabase(emulator.host)
    const callout = await calloutFor(name)
    await callout('schema', 'apply')
    await using admin = new DatabaseAdmin({ database: name, emulatorHost: emulator.host, clock: systemClock })
    await admin.updateSchema(['ALTER TABLE AuditReads DROP ROW DELETION POLICY'], async () => {})
    assert.match((await callout('schema', 'retention')).stdout, /AuditReads +for ever/)
    const { exitCode, stdout, stderr } = await callout('schema', 'retention', '--days', '365', '--output', 'json')
    assert.equal(exitCode, 0, stderr)
    assert.equal(daysByTable(stdout)['AuditReads'], 365)
  })

  test('apply says what it does and status then agrees', async () => {
    const callout = await calloutFor(await createEmulatorDatabase(emulator.host))
    const before = await callout('schema', 'status')
    assert.equal(before.exitCode, 1)
    assert.match(before.stdout, /^VERSION  NAME .*\n1 +policy +pending\n/)
    assert.match(before.stderr, /^callout: .*run "callout schema apply"\n$/)
    const apply = await callout('schema', 'apply')
    assert.equal(apply.exitCode, 0)
    assert.match(apply.stderr, /applying migration 0001 policy\n/)
    const status = await callout('schema', 'status', '--output', 'json')
    assert.equal(status.exitCode, 0)
    const { version, usable } = JSON.parse(status.stdout) as { version: number; usable: boolean }
    assert.deepEqual([version, usable], [MIGRATIONS.length, true])
  })

  test('apply may be repeated and run twice at once', async () => {
    const callout = await calloutFor(await createEmulatorDatabase(emulator.host))
    const both = await Promise.all([callout('schema', 'apply'), callout('schema', 'apply')])
    assert.deepEqual(
      both.map(({ exitCode }) => exitCode),
      [0, 0],
      both.map(({ stderr }) => stderr).join('\n'),
    )
    const again = await callout('schema', 'apply')
    assert.deepEqual([again.exitCode, again.stdout], [0, 'nothing to do\n'])
  })

  test('apply --dry-run prints the statements of what is outstanding and runs none', async () => {
    const callout = await calloutFor(await createEmulatorDatabase(emulator.host))
    const { exitCode, stdout, stderr } = await callout('schema', 'apply', '--dry-run')
    assert.deepEqual([exitCode, stderr], [0, 'callout: dry run: nothing was done\n'])
    assert.match(
      stdout,
      /^-- the tables that record migrations\n[^]*-- migration 0001 policy\nCREATE TABLE [^]*;\n-- migration 0010 roles, left out: the emulator has no database roles\n-- migration 0011 spooled\nCREATE [^;]*;\n$/,
    )
    assert.equal((await callout('schema', 'status')).exitCode, 1)
    await callout('schema', 'apply')
    assert.equal((await callout('schema', 'apply', '--dry-run')).stdout, 'nothing to do\n')
  })

  test('in a database that is not there exits with 3 and one line', async () => {
    const callout = await calloutFor('projects/p/instances/i/databases/absent')
    for (const command of ['apply', 'status']) {
      const { exitCode, stderr } = await callout('schema', command)
      assert.equal(exitCode, 3, stderr)
      assert.match(stderr, /^callout: .*\n$/)
    }
  })
})

suite('grants', () => {
  test('that were added are listed, then removed', async () => {
    const callout = await withSchema()
    const added = grantsOf(
      await callout(
        'grants',
        'add',
        ...ALICE,
        '--publish',
        'a.>',
        '--subscribe',
        'b.*',
        '--until',
        '2099-01-01T00:00:00Z',
        '--reason',
        'T-1',
        '--output',
        'json',
      ),
    )
    assert.deepEqual(
      added.map(({ subject }) => subject),
      ['a.>', 'b.*'],
    )
    const listed = grantsOf(await callout('grants', 'list', '--output', 'json'))
    const [first] = listed.filter(({ subject }) => subject === 'a.>')
    const { id, createdAt, ...rest } = first ?? assert.fail()
    assert.match(String(createdAt), /^\d{4}-\d\d-\d\dT.*Z$/)
    assert.deepEqual(rest, {
      principal: 'user:corp:alice',
      account: 'APP',
      effect: 'allow',
      action: 'publish',
      subject: 'a.>',
      validUntil: '2099-01-01T00:00:00Z',
      reason: 'T-1',
      createdBy: 'admin',
    })
    const removed = await callout('grants', 'remove', id, '--reason', 'left', '--actor', 'admin')
    assert.equal(removed.exitCode, 0)
    assert.match(removed.stdout, new RegExp(`^ID .*\\n${id} `))
    const left = grantsOf(await callout('grants', 'list', '--output', 'json'))
    assert.deepEqual(
      left.map(({ subject }) => subject),
      ['b.*'],
    )
  })

  test('are neither added nor removed in a dry run, which shows what would be', async () => {
    const callout = await withSchema()
    const dry = await callout(
      'grants',
      'add',
      ...ALICE,
      '--publish',
      'a',
      '--reason',
      'x',
      '--dry-run',
      '--output',
      'json',
    )
    assert.deepEqual(
      grantsOf(dry).map(({ subject }) => subject),
      ['a'],
    )
    assert.equal(dry.stderr, 'callout: dry run: nothing was done\n')
    assert.deepEqual(grantsOf(await callout('grants', 'list', '--output', 'json')), [])
    await callout('grants', 'add', ...ALICE, '--publish', 'b', '--reason', 'x')
    const [{ id } = assert.fail()] = grantsOf(await callout('grants', 'list', '--output', 'json'))
    const removal = await callout('grants', 'remove', id, '--reason', 'x', '--dry-run', '--output', 'json')
    assert.deepEqual(
      grantsOf(removal).map(({ subject }) => subject),
      ['b'],
    )
    assert.equal(grantsOf(await callout('grants', 'list', '--output', 'json')).length, 1)
  })

  test('are listed in every format', async () => {
    const callout = await withSchema()
    await callout('grants', 'add', ...ALICE, '--publish', 'a', '--reason', '=1+1')
    const list = async (format: string): Promise<string> => (await callout('grants', 'list', '--output', format)).stdout
    assert.match(await list('jsonl'), /^\{"id":.*\}\n$/)
    assert.match(await list('yaml'), /^- id: [^]*\n {2}subject: a\n/)
    assert.match(await list('csv'), /^ID,PRINCIPAL,[^]*,admin,'=1\+1\r\n$/)
  })

  test('show what the connection has to be, for people and for programs', async () => {
    const callout = await withSchema()
    const condition = ['--connection-type', 'MQTT', '--connection-type', 'LEAFNODE', '--source-cidr', '10.0.0.0/8']
    await callout('grants', 'add', ...ALICE, '--publish', 'a', '--reason', 'x', ...condition, '--tls', 'mutual')
    const { stdout } = await callout('grants', 'list')
    assert.match(stdout, / MQTT,LEAFNODE 10\.0\.0\.0\/8 tls:mutual /)
    const [grant] = JSON.parse((await callout('grants', 'list', '--output', 'json')).stdout) as Record<
      string,
      unknown
    >[]
    assert.deepEqual(
      [grant?.['connectionTypes'], grant?.['sourceCidrs'], grant?.['tls']],
      [['MQTT', 'LEAFNODE'], ['10.0.0.0/8'], 'mutual'],
    )
  })

  test('are listed by principal, account and subject', async () => {
    const callout = await withSchema()
    await callout('grants', 'add', ...ALICE, '--publish', 'a', '--reason', 'x')
    await callout('grants', 'add', '--principal', 'role:reader', '--account', 'OPS', '--publish', 'b', '--reason', 'x')
    const subjects = async (...filter: string[]): Promise<string[]> =>
      grantsOf(await callout('grants', 'list', '--output', 'json', ...filter)).map(({ subject }) => subject)
    assert.deepEqual(await subjects('--principal', 'role:reader'), ['b'])
    assert.deepEqual(await subjects('--account', 'APP'), ['a'])
    assert.deepEqual(await subjects('--principal', 'role:reader', '--account', 'APP'), [])
    assert.deepEqual(await subjects('--subject', 'b'), ['b'])
  })

  test('keep what an admin wrote, in any script', async () => {
    const callout = await withSchema()
    const principal = 'user:corp:José 東京'
    await callout(
      'grants',
      'add',
      '--principal',
      principal,
      '--account',
      'APP',
      '--publish',
      'aufträge.東京',
      '--reason',
      'für José',
    )
    const { stdout } = await callout('grants', 'list', '--principal', principal)
    assert.match(stdout, /user:corp:José 東京 +APP +allow +publish +aufträge\.東京 .*für José\n$/)
  })

  test('without effect in this configuration are added with a warning', async () => {
    const callout = await withSchema()
    const { exitCode, stderr } = await callout(
      'grants',
      'add',
      '--principal',
      'user:other:a',
      '--account',
      'NONE',
      '--publish',
      'a',
      '--reason',
      'x',
    )
    assert.equal(exitCode, 0)
    assert.match(stderr, /warning: no issuer .* other\ncallout: warning: .*"NONE"\n$/)
  })

  test('that are not there exit with 3', async () => {
    const callout = await withSchema()
    const { exitCode, stdout, stderr } = await callout('grants', 'remove', 'absent', '--reason', 'x')
    assert.deepEqual([exitCode, stdout], [3, ''])
    assert.match(stderr, /^callout: .*no grant/)
  })

  test('that are wrong never reach the database', async () => {
    const callout = await withSchema()
    const { exitCode } = await callout(
      'grants',
      'add',
      ...ALICE,
      '--publish',
      'a',
      '--publish',
      'b..c',
      '--reason',
      'x',
    )
    assert.equal(exitCode, 2)
    assert.deepEqual(grantsOf(await callout('grants', 'list', '--output', 'json')), [])
  })

  test('without schema exit without a stack and say what to do', async () => {
    const callout = await calloutFor(await createEmulatorDatabase(emulator.host))
    const { exitCode, stderr } = await callout('grants', 'list')
    assert.equal(exitCode, 1)
    assert.match(stderr, /^callout: .*callout schema apply.*\n$/)
  })
})

interface WrittenRow {
  readonly [name: string]: unknown
}

function rowsOf({ exitCode, stdout, stderr }: CommandResult): WrittenRow[] {
  assert.equal(exitCode, 0, stderr)
  return JSON.parse(stdout) as WrittenRow[]
}

const WHY = ['--reason', 'x', '--actor', 'admin', '--output', 'json']

suite('grants that reach too much', () => {
  test('are added only with --force, and are marked in the list', async () => {
    const callout = await withSchema()
    const refused = await callout('grants', 'add', ...ALICE, '--publish', '>', '--reason', 'x')
    assert.deepEqual([refused.exitCode, refused.stdout], [2, ''])
    assert.match(refused.stderr, /^callout: --publish ">" names no token.*--force\n$/)
    await callout('grants', 'add', ...ALICE, '--publish', '>', '--publish', 'a', '--reason', 'x', '--force')
    const listed = rowsOf(await callout('grants', 'list', '--output', 'json'))
    assert.deepEqual(
      new Map(listed.map(({ subject, forced }) => [subject, forced])),
      new Map<unknown, unknown>([
        ['>', true],
        ['a', undefined],
      ]),
    )
    assert.match((await callout('grants', 'list')).stdout, / forced +admin /)
  })

  test('of replies to others are added with a warning', async () => {
    const callout = await withSchema()
    const { exitCode, stderr } = await callout('grants', 'add', ...ALICE, '--subscribe', '_INBOX.>', '--reason', 'x')
    assert.equal(exitCode, 0)
    assert.match(stderr, /^callout: warning: --subscribe "_INBOX\.>" reaches the replies.*\n$/)
  })
})

suite('locks', () => {
  test('that were added are listed by target, then removed', async () => {
    const callout = await withSchema()
    const until = ['--until', '2099-01-01T00:00:00Z', '--message', 'see INC-7']
    await callout('lock', 'add', 'address:10.0.0.0/8', ...WHY, ...until)
    for (const target of ['address:2001:db8::/32', 'everyone']) await callout('lock', 'add', target, ...WHY)
    const list = async (...filter: string[]): Promise<string[]> =>
      rowsOf(await callout('lock', 'list', '--output', 'json', ...filter))
        .map(({ target }) => String(target))
        .sort()
    assert.deepEqual(await list(), ['address:10.0.0.0/8', 'address:2001:db8::/32', 'everyone'])
    assert.deepEqual(await list('--target', 'address'), ['address:10.0.0.0/8', 'address:2001:db8::/32'])
    assert.deepEqual(await list('--target', 'user:corp:alice'), [])
    const [row] = rowsOf(await callout('lock', 'list', '--output', 'json', '--target', 'address:10.0.0.0/8'))
    const { id, createdAt, ...rest } = row ?? assert.fail()
    assert.match(String(createdAt), /^\d{4}-.*Z$/)
    assert.deepEqual(rest, {
      target: 'address:10.0.0.0/8',
      until: '2099-01-01T00:00:00Z',
      inForce: true,
      message: 'see INC-7',
      reason: 'x',
      createdBy: 'admin',
    })
    assert.equal((await callout('lock', 'remove', String(id), ...WHY)).exitCode, 0)
    assert.deepEqual(await list(), ['address:2001:db8::/32', 'everyone'])
    assert.equal((await callout('lock', 'remove', String(id), ...WHY)).exitCode, 3)
  })

  test('that stop nobody in this configuration are added with a warning', async () => {
    const callout = await withSchema()
    for (const [target, warning] of [
      ['user:other:a', /no issuer .* other\n/],
      ['token:other:1', /no issuer .* other\n/],
      ['account:NONE', /"NONE"\n/],
    ] as const) {
      assert.match((await callout('lock', 'add', target, ...WHY)).stderr, warning, target)
    }
    assert.equal((await callout('lock', 'add', 'everyone', ...WHY)).stderr, '')
  })
})

suite('roles', () => {
  test('are set, bound, listed and unbound', async () => {
    const callout = await withSchema()
    await callout('roles', 'set', 'role:reader', ...WHY, '--session-max', '1h', '--description', 'reads')
    await callout('roles', 'set', 'role:empty', ...WHY, '--description', 'nobody')
    for (const member of ['user:corp:alice', 'group:corp:ops'])
      await callout('roles', 'bind', member, 'role:reader', ...WHY)
    const window = ['--until', '2099-01-01T00:00:00Z']
    assert.equal((await callout('roles', 'bind', 'user:corp:alice', 'role:reader', ...WHY, ...window)).exitCode, 0)
    const list = async (...filter: string[]): Promise<unknown[]> =>
      rowsOf(await callout('roles', 'list', '--output', 'json', ...filter)).map(
        ({ role, member, sessionMax, validUntil }) => [role, member, sessionMax, validUntil],
      )
    assert.deepEqual(await list(), [
      ['role:empty', undefined, undefined, undefined],
      ['role:reader', 'group:corp:ops', '1h', undefined],
      ['role:reader', 'user:corp:alice', '1h', '2099-01-01T00:00:00Z'],
    ])
    assert.equal((await list('--member', 'user:corp:alice')).length, 1)
    assert.equal((await list('--role', 'role:empty')).length, 1)
    assert.equal((await callout('roles', 'unbind', 'user:corp:alice', 'role:reader', ...WHY)).exitCode, 0)
    const again = await callout('roles', 'unbind', 'user:corp:alice', 'role:reader', ...WHY)
    assert.deepEqual([again.exitCode, again.stderr], [3, 'callout: user:corp:alice does not have role:reader\n'])
    assert.equal((await list('--role', 'role:reader')).length, 1)
  })

  test('that are wrong never reach the database', async () => {
    const callout = await withSchema()
    for (const argv of [
      ['set', 'reader', '--description', 'x'],
      ['set', 'role:reader'],
      ['set', 'role:reader', '--session-max', '1500ms'],
      ['set', 'role:reader', '--session-max', '8761h'],
      ['bind', 'role:a', 'role:b'],
      ['bind', 'alice', 'role:b'],
      ['bind', 'user:corp:alice', 'user:corp:bob'],
      ['bind', 'user:corp:alice', 'role:b', '--until', '2001-01-01T00:00:00Z'],
    ]) {
      assert.equal((await callout('roles', ...argv, ...WHY)).exitCode, 2, argv.join(' '))
    }
    assert.deepEqual(rowsOf(await callout('roles', 'list', '--output', 'json')), [])
  })
})

test('a store that does not answer exits with 5 and says where it was looked for', async () => {
  const gone = await startOwnEmulator()
  const database = await createEmulatorDatabase(gone.host)
  await gone.stop()
  const config = join(await mkdtemp(join(dir, 'case-')), 'callout.yaml')
  await writeFile(config, configWith({ 'store.url': `spanner://${database}` }))
  const { exitCode, stderr } = await runCallout(['grants', 'list', '--config', config], {
    SPANNER_EMULATOR_HOST: gone.host,
  })
  assert.equal(exitCode, 5)
  assert.match(stderr, new RegExp(`running at ${gone.host}\\?\\)\\n$`))
})
