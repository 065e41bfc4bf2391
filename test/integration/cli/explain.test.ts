import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { decide } from '../../../src/core/decide.ts'
import { decisionId } from '../../../src/core/decision-id.ts'
import type { Identity } from '../../../src/core/identity.ts'
import { lockKeys } from '../../../src/core/locks.ts'
import { principalOf } from '../../../src/core/principal.ts'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { createPolicyReader } from '../../../src/spanner/policy-store.ts'
import { aDeny, anEntry } from '../../contract/stored-rows.ts'
import { anIdentity, aRequest, sessionRules } from '../../support/builders.ts'
import { policyTables, startHistoryWriter } from '../../support/history.ts'
import type { PolicyTables, TestMember } from '../../support/history.ts'
import { createTestDatabase, inMs, openDecisionLog, startOwnEmulator, until } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'
import { callout as runCallout, type CommandResult } from '../../unit/cli/recorded-io.ts'
import { configWith } from '../../unit/config/config-text.ts'

const RULES = sessionRules({ accounts: new Map([['APP', {}]]), jitter: 0.1 })

let emulator: SpannerEmulator
let connection: TestDatabase
let member: TestMember
let tables: PolicyTables
let dir = ''
let grantCount = 0

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'callout-explain-'))
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  tables = policyTables(connection)
  member = startHistoryWriter(emulator.host, connection.name)
  await writeFile(
    join(dir, 'callout.yaml'),
    configWith({ 'store.url': `spanner://${connection.name}`, session: { max: '1h', jitter: '10%' } }),
  )
})
after(async () => {
  await member?.[Symbol.asyncDispose]()
  await connection?.[Symbol.asyncDispose]()
  await emulator?.stop()
  await rm(dir, { recursive: true, force: true })
})

function callout(...argv: string[]): Promise<CommandResult> {
  return runCallout(argv, { CALLOUT_CONFIG: join(dir, 'callout.yaml'), SPANNER_EMULATOR_HOST: emulator.host })
}

async function done(...argv: string[]): Promise<CommandResult> {
  const result = await callout(...argv, '--reason', 'OPS-1', '--actor', 'ann')
  assert.equal(result.exitCode, 0, result.stderr)
  return result
}

/** Adds grants and returns the id of the first. */
async function grant(principal: string, ...argv: string[]): Promise<string> {
  const add = ['grants', 'add', '--account', 'APP', '--output', 'json', '--principal', principal]
  const [row] = JSON.parse((await done(...add, ...argv)).stdout) as { id: string }[]
  return row?.id ?? assert.fail()
}

interface Explanation {
  readonly outcome: string
  readonly reason?: string
  readonly account?: string
  readonly grantsFrom: string
  readonly permissions: unknown
  readonly grants: readonly {
    readonly grant: { readonly id: string }
    readonly paths: readonly { readonly principal: string; readonly role?: string }[]
    readonly gave: readonly { readonly subject: string }[]
    readonly why?: string
  }[]
  readonly locks: readonly {
    readonly lock: { readonly target: string }
    readonly holds: boolean
    readonly why?: string
  }[]
}

async function explained(...argv: string[]): Promise<Explanation & { readonly exitCode: number }> {
  const { exitCode, stdout, stderr } = await callout('explain', ...argv, '--output', 'json')
  assert.notEqual(stdout, '', stderr)
  return { ...(JSON.parse(stdout) as Explanation), exitCode }
}

interface Rerun {
  readonly isSame: boolean
  readonly differences: readonly Difference[]
  readonly again: Explanation
  readonly later: { readonly isSame: boolean; readonly differences: readonly Difference[]; readonly source: string }
  readonly nothingToRunAgain?: string
}
interface Difference {
  readonly what: string
  readonly first: readonly string[]
  readonly second: readonly string[]
}

async function rerun(id: string, ...argv: string[]): Promise<Rerun & { exitCode: number; stderr: string }> {
  const { exitCode, stdout, stderr } = await callout('explain', '--decision', id, '--output', 'json', ...argv)
  assert.notEqual(stdout, '', stderr)
  return { ...(JSON.parse(stdout) as Rerun), exitCode, stderr }
}

/** Decides as the service does, now, and writes the row; returns its id. */
async function decided(change: Partial<Identity>, random = 0.5): Promise<string> {
  const nowMs = Date.now()
  const id = decisionId(nowMs, crypto.getRandomValues(new Uint8Array(10)))
  const token = { expiresAt: Math.floor(nowMs / 1000) + 7200, id: 'token-1' }
  const identity = anIdentity({ token, ...change })
  const keys = lockKeys(identity, RULES.accounts.keys())
  const policy = await createPolicyReader(connection.database).read(keys, inMs(5000))
  const { client } = aRequest()
  const input = { id, identity, wantedAccount: undefined, connection: client, policy, rules: RULES, nowMs, random }
  const {
    wantedAccount: _none,
    clientId: _client,
    ...entry
  } = anEntry(decide(input), {
    principal: principalOf(identity),
    actors: [],
    groups: identity.groups,
    attributes: identity.attributes,
    token: identity.token,
    grantsReadTimestamp: policy.readTimestamp,
  })
  await openDecisionLog(connection.database).append([entry], inMs(5000))
  return id
}

/** A subject that no other test has. */
function subject(): string {
  return `s${++grantCount}`
}

suite('explain', () => {
  test('says of every row of a principal what it gave, by which way it came, or why it was skipped', async () => {
    const [own, ofGroup, ofRole] = [subject(), subject(), subject()]
    const ids = {
      own: await grant('user:corp:eva', '--publish', `${own}.{{subject}}`),
      group: await grant('group:corp:ops', '--subscribe', ofGroup, '--deny'),
      role: await grant('role:reader', '--subscribe', `${ofRole}.>`),
      unknown: await grant('user:corp:eva', '--publish', '{{team}}.x'),
      far: await grant('user:corp:eva', '--publish', 'far', '--source-cidr', '10.0.0.0/8'),
      later: await grant('user:corp:eva', '--publish', 'later', '--from', '+1h'),
    }
    await done('roles', 'bind', 'group:corp:ops', 'role:reader', '--until', '+12h')
    const { exitCode, outcome, account, permissions, grants } = await explained('user:corp:eva', '--group', 'ops')
    assert.deepEqual([exitCode, outcome, account], [0, 'allow', 'APP'])
    assert.deepEqual(permissions, {
      publish: { allow: [`${own}.eva`], deny: [] },
      subscribe: { allow: [`${ofRole}.>`], deny: [ofGroup] },
    })
    const told = Object.fromEntries(
      grants.map(({ grant: { id }, paths, gave, why }) => [
        id,
        [
          ...paths.map(({ principal, role }) => role ?? principal),
          why ?? gave.map(({ subject: given }) => given).join(),
        ],
      ]),
    )
    assert.deepEqual(told, {
      [ids.own]: ['user:corp:eva', `${own}.eva`],
      [ids.group]: ['group:corp:ops', ofGroup],
      [ids.role]: ['role:reader', `${ofRole}.>`],
      [ids.unknown]: ['user:corp:eva', 'variable_unresolved'],
      [ids.far]: ['user:corp:eva', 'source_address_unmet'],
      [ids.later]: ['user:corp:eva', 'not_yet_valid'],
    })
  })

  test('shows the same to people, with the grant of each signed subject', async () => {
    const given = subject()
    const id = await grant('user:corp:ida', '--publish', given)
    const { exitCode, stdout } = await callout('explain', 'user:corp:ida')
    assert.equal(exitCode, 0)
    assert.match(stdout, /^allowed, in account APP until 20.*Z$/m)
    assert.match(stdout, /^the session ends then at the latest, by session\.max$/m)
    assert.match(stdout, /^user:corp:ida at 20.*, on the rows of 20.*, as they are$/m)
    assert.match(stdout, new RegExp(`^${id} +APP +allow +publish ${given} +user:corp:ida +publish ${given}$`, 'm'))
    assert.match(stdout, new RegExp(`^publish +allow +${given} +${id}$`, 'm'))
    assert.match(stdout, /^subscribe +deny +> +the account, or a guard$/m)
  })

  test('names the locks that hold, and those that do no more, and exits with 1', async () => {
    await grant('user:corp:max', '--publish', subject())
    await done('lock', 'add', 'user:corp:max', '--message', 'lost laptop')
    await done('lock', 'add', 'address:192.0.2.0/24')
    const { exitCode, reason, locks } = await explained('user:corp:max', '--address', '127.0.0.1')
    assert.deepEqual([exitCode, reason], [1, 'locked'])
    assert.deepEqual(
      locks.map(({ lock, holds, why }) => [lock.target, holds, why]),
      [
        ['address', false, 'other_address'],
        ['user:corp:max', true, undefined],
      ],
    )
    assert.match((await callout('explain', 'user:corp:max', '--address', '127.0.0.1')).stdout, /lost laptop/)
    await tables.sql(`DELETE FROM Locks WHERE Target = 'address'`)
  })

  test('and can look at a past moment, and refuse what nobody knows', async () => {
    const before = new Date().toISOString()
    await grant('user:corp:ute', '--publish', subject())
    const past = await explained('user:corp:ute', '--at', before)
    assert.deepEqual([past.exitCode, past.reason, past.grantsFrom], [1, 'no_grants', 'snapshot'])
    assert.equal((await explained('user:corp:ute')).exitCode, 0)
    for (const argv of [
      ['explain', 'user:corp:ute'],
      ['can', 'user:corp:ute', 'publish', 'a'],
    ]) {
      const old = await callout(...argv, '--at', '2020-01-01T00:00:00Z')
      assert.equal(old.exitCode, 3)
      assert.match(
        old.stderr,
        /^callout: what was granted at 2020-01-01T00:00:00\.000Z is not known: .* the history begins at 20/,
      )
      assert.equal((await callout(...argv, '--at', '+1h')).exitCode, 2)
      assert.equal((await callout(...argv, '--at', 'yesterday')).exitCode, 2)
    }
  })

  test('asks for one thing at a time', async () => {
    for (const argv of [
      [],
      ['user:corp:a', '--token-file', 'x'],
      ['user:corp:a', '--decision', 'x'],
      ['--token-file', 'x', '--group', 'g'],
      ['--decision', '018bcfe5-6800-7000-8000-000000000001', '--address', '10.0.0.1'],
      ['--decision', '018bcfe5-6800-7000-8000-000000000001', '--connection-type', 'MQTT'],
      ['user:corp:a', '--certificate-sha256', 'x'],
      ['group:corp:ops'],
    ]) {
      assert.equal((await callout('explain', ...argv)).exitCode, 2, argv.join(' '))
    }
  })
})

test('can answers for a past moment', async () => {
  const [given, before] = [subject(), new Date().toISOString()]
  await grant('user:corp:pia', '--publish', given)
  assert.equal((await callout('can', 'user:corp:pia', 'publish', given)).exitCode, 0)
  const past = await callout('can', 'user:corp:pia', 'publish', given, '--at', before)
  assert.deepEqual([past.exitCode, past.stdout], [1, 'no: refused with no_grants\n'])
})

suite('explain of a decision', () => {
  test('finds the record right, and says what would be different now', async () => {
    const [kept, gone, added] = [subject(), subject(), subject()]
    await grant('user:corp:tom', '--publish', kept)
    const id = await grant('user:corp:tom', '--publish', gone)
    const decision = await decided({ subject: 'tom', groups: ['x'], attributes: { team: 'blue' } })
    const still = await rerun(decision)
    assert.deepEqual([still.exitCode, still.isSame, still.later.isSame], [0, true, true], JSON.stringify(still))
    await done('grants', 'remove', id)
    await grant('user:corp:tom', '--publish', `${added}.{{team}}`)
    const { exitCode, isSame, again, later } = await rerun(decision)
    assert.deepEqual([exitCode, isSame, again.grantsFrom, later.isSame], [0, true, 'snapshot', false])
    assert.deepEqual(
      later.differences.find(({ what }) => what === 'publish allow'),
      { what: 'publish allow', first: [gone], second: [`${added}.blue`] },
    )
    const { stdout } = await callout('explain', '--decision', decision)
    assert.match(stdout, /^made again, it is the same$/m)
    assert.match(stdout, /^at 20.*, on the rows of 20.*, as they are, it would be different$/m)
    assert.match(stdout, new RegExp(`^publish allow +${gone} +${added}\\.blue$`, 'm'))
    assert.equal((await rerun(decision, '--at', new Date().toISOString())).later.source, 'snapshot')
  })

  test('takes any session that chance may have made for the same, and no other', async () => {
    await grant('user:corp:jil', '--publish', subject())
    for (const random of [0, 0.5, 0.999]) {
      assert.equal((await rerun(await decided({ subject: 'jil' }, random))).exitCode, 0)
    }
    const id = await decided({ subject: 'jil' })
    await tables.sql(`UPDATE Decisions SET SessionExpiresAt = TIMESTAMP_ADD(SessionExpiresAt, INTERVAL 1 HOUR)
      WHERE DecisionId = '${id}'`)
    const { exitCode, differences } = await rerun(id)
    assert.equal(exitCode, 1)
    assert.deepEqual(
      differences.map(({ what }) => what),
      ['session'],
    )
  })

  test('says where the record does not hold what is decided again, and exits with 1', async () => {
    const [given, forged] = [subject(), subject()]
    await grant('user:corp:kai', '--publish', given)
    const id = await decided({ subject: 'kai' })
    const permissions = { publish: { allow: [forged], deny: [] }, subscribe: { allow: [], deny: ['>'] } }
    await tables.sql(
      `UPDATE Decisions SET Permissions = JSON '${JSON.stringify(permissions)}' WHERE DecisionId = '${id}'`,
    )
    const { exitCode, isSame, differences } = await rerun(id)
    assert.deepEqual([exitCode, isSame], [1, false])
    assert.deepEqual(differences, [{ what: 'publish allow', first: [forged], second: [given] }])
    const { stdout } = await callout('explain', '--decision', id)
    assert.match(stdout, new RegExp(`^publish allow +${forged} +${given}$`, 'm'))
  })

  test('a refusal by a lock is the same, until the lock is gone', async () => {
    await grant('user:corp:lea', '--publish', subject())
    await done('lock', 'add', 'token:corp:leaked')
    const identity = { subject: 'lea', token: { id: 'leaked', expiresAt: Math.floor(Date.now() / 1000) + 7200 } }
    const id = await decided(identity)
    await tables.sql(`DELETE FROM Locks WHERE Target = 'token:corp:leaked'`)
    const { exitCode, again, later } = await rerun(id)
    assert.deepEqual([exitCode, again.reason], [0, 'locked'])
    assert.deepEqual(
      later.differences.find(({ what }) => what === 'outcome'),
      { what: 'outcome', first: ['deny'], second: ['allow'] },
    )
  })

  test('of a time that Spanner keeps no more is made on the history, and one before it is not made', async () => {
    await using own = await aDatabaseWithAPast()
    const env = { CALLOUT_CONFIG: own.config, SPANNER_EMULATOR_HOST: emulator.host }
    const explainOf = (id: string): Promise<CommandResult> =>
      runCallout(['explain', '--decision', id, '--output', 'json'], env)
    const { exitCode, stdout, stderr } = await explainOf(own.inHistory)
    assert.equal(exitCode, 0, stderr)
    const { again, later } = JSON.parse(stdout) as Rerun
    assert.deepEqual([again.grantsFrom, again.grants.map((row) => row.grant.id)], ['history', ['old']])
    assert.deepEqual(
      later.differences.find(({ what }) => what === 'outcome'),
      { what: 'outcome', first: ['allow'], second: ['deny'] },
    )
    const before = await explainOf(own.beforeHistory)
    assert.equal(before.exitCode, 3)
    assert.match(before.stderr, /is not known: .* the history begins at 2020-01-01T00:00:00Z/)
  })

  test('that was made before anybody was known, or the grants were read, says that there is nothing to run', async () => {
    const nowMs = Date.now()
    const id = decisionId(nowMs, crypto.getRandomValues(new Uint8Array(10)))
    const {
      principal: _p,
      actors: _a,
      attributes: _t,
      grantsReadTimestamp: _g,
      ...unknown
    } = anEntry(
      aDeny({ id, decidedAtMs: nowMs, reason: 'token_expired', detail: 'expired \u001b[31m an hour ago', lockIds: [] }),
    )
    await openDecisionLog(connection.database).append([unknown], inMs(5000))
    const { exitCode, nothingToRunAgain } = await rerun(id)
    assert.deepEqual([exitCode, nothingToRunAgain], [1, 'token_not_accepted'])
    const { stdout } = await callout('explain', '--decision', id)
    assert.match(stdout, /^there is nothing to run again: it was made before anybody was known/m)
    assert.ok(!stdout.includes('\u001b'))
    const known = await decided({ subject: 'nobody-at-all' })
    await tables.sql(`UPDATE Decisions SET GrantsReadAt = NULL WHERE DecisionId = '${known}'`)
    assert.equal((await rerun(known)).nothingToRunAgain, 'grants_not_read')
  })

  test('that is not there, or is no decision, is told so', async () => {
    for (const id of ['018bcfe5-6800-7000-8000-00000000ffff', 'ffffffff-ffff-7fff-bfff-ffffffffffff']) {
      const { exitCode, stderr } = await callout('explain', '--decision', id)
      assert.deepEqual([exitCode, stderr], [3, `callout: the audit has no decision ${id}\n`])
    }
    for (const id of [
      '',
      'x',
      '018bcfe5-6800-4000-8000-000000000001',
      "' OR TRUE --",
      'A'.repeat(100_000),
      '\u0000\ud800',
    ]) {
      assert.equal((await callout('explain', '--decision', id)).exitCode, 2, id.slice(0, 50))
    }
  })

  test('whose row holds what the service never writes is an error, and is not repaired', async () => {
    const hostile: Record<string, readonly string[]> = {
      Attributes: ['[]', '"x"', '7', '{"team":7}', '{"team":null}', '{"team":{"a":"b"}}'],
      Actors: ['{}', '"x"', '[7]', '[{}]', '[{"sub":7}]', '[{"sub":"a","extra":"b"}]', '[{"iss":"a"}]'],
      Permissions: ['[]', '{}', '{"publish":{"allow":[7],"deny":[]},"subscribe":{"allow":[],"deny":[]}}', '"x"'],
      SkippedGrants: [
        '{}',
        '[7]',
        '[{"id":"a"}]',
        '[{"more":1},{"id":"a","why":"b"}]',
        '[{"more":-1}]',
        '[{"more":0.5}]',
      ],
    }
    await grant('user:corp:sue', '--publish', subject())
    for (const [column, values] of Object.entries(hostile)) {
      const id = await decided({ subject: 'sue' })
      for (const value of values) {
        await tables.sql(`UPDATE Decisions SET ${column} = JSON '${value}' WHERE DecisionId = '${id}'`)
        const { exitCode, stdout, stderr } = await callout('explain', '--decision', id)
        assert.deepEqual([exitCode, stdout], [1, ''], value)
        const what = `Decisions.${column} does not hold what the service writes there`
        assert.equal(stderr, `callout: decision: unusable row: ${what}\n`)
      }
    }
    const id = await decided({ subject: 'sue' })
    await tables.sql(`UPDATE Decisions SET Principal = 'group:corp:sue' WHERE DecisionId = '${id}'`)
    assert.match((await callout('explain', '--decision', id)).stderr, /Decisions\.Principal is not that of a client/)
  })

  test('whose inputs were cut for the row is told to be so', async () => {
    await grant('user:corp:uwe', '--publish', subject())
    const id = await decided({ subject: 'uwe', groups: Array.from({ length: 1001 }, (_, n) => `g${n}`) })
    assert.match((await rerun(id)).stderr, /the row has the groups only as far as its columns are wide/)
  })
})

/** A database whose history began in 2020, with a grant that was there from 2021 to 2022 and decisions of 2019 and 2021. */
async function aDatabaseWithAPast() {
  const own = await createTestDatabase(emulator.host)
  const past = policyTables(own)
  {
    await using _writer = startHistoryWriter(emulator.host, own.name)
    const startedMs = Date.now()
    await until('the history has begun', 10_000, async () => {
      return Date.parse((await past.history.reach()).recordedUntil) > startedMs
    })
  }
  const row = JSON.stringify({
    Principal: 'user:corp:alice',
    GrantId: 'old',
    Account: 'APP',
    Effect: 'ALLOW',
    Action: 'PUBLISH',
    Subject: 'orders.new',
  })
  const changed = (at: string, what: string, before: string, after: string): string => `INSERT INTO PolicyHistory
    (TableName, EntityKey, CommittedAt, TransactionId, RecordSequence, ModIndex, Change, Principal, EntityId, Source, BeforeRow, AfterRow)
    VALUES ('Grants', '["user:corp:alice","old"]', '${at}', 't', '0', 0, '${what}', 'user:corp:alice', 'old', 'sql', ${before}, ${after})`
  await past.sql(
    `UPDATE SchemaMigrations SET AppliedAt = '2020-01-01T00:00:00Z' WHERE Version = 6`,
    changed('2021-01-01T00:00:00Z', 'ADDED', 'NULL', `JSON '${row}'`),
    changed('2022-01-01T00:00:00Z', 'REMOVED', `JSON '${row}'`, 'NULL'),
  )
  const recorded = async (time: string): Promise<string> => {
    const decidedAtMs = Date.parse(time)
    const id = decisionId(decidedAtMs, crypto.getRandomValues(new Uint8Array(10)))
    const token = { expiresAt: decidedAtMs / 1000 + 3600 }
    const allow = decide({
      id,
      identity: anIdentity({ token }),
      wantedAccount: undefined,
      connection: aRequest().client,
      policy: {
        grants: [
          {
            principal: 'user:corp:alice',
            id: 'old',
            account: 'APP',
            effect: 'allow',
            action: 'publish',
            subject: 'orders.new',
          },
        ],
        bindings: [],
        locks: [],
        roles: [],
        readTimestamp: time,
      },
      rules: RULES,
      nowMs: decidedAtMs,
      random: 0,
    })
    const {
      wantedAccount: _none,
      clientId: _client,
      ...entry
    } = anEntry(allow, {
      actors: [],
      groups: [],
      attributes: {},
      token,
      grantsReadTimestamp: time,
    })
    await openDecisionLog(own.database).append([entry], inMs(5000))
    return id
  }
  const [inHistory, beforeHistory] = [await recorded('2021-06-01T12:00:00Z'), await recorded('2019-06-01T12:00:00Z')]
  const config = join(dir, 'past.yaml')
  await writeFile(config, configWith({ 'store.url': `spanner://${own.name}`, session: { max: '1h', jitter: '10%' } }))
  return {
    config,
    inHistory,
    beforeHistory,
    [Symbol.asyncDispose]: () => own[Symbol.asyncDispose](),
  }
}
