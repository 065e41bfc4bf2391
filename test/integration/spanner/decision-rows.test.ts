import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import type { AuditEntry } from '../../../src/core/audit-entry.ts'
import { DENY_REASONS } from '../../../src/core/reasons.ts'
import type { DenyReason } from '../../../src/core/reasons.ts'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import type { DecisionLog } from '../../../src/service/ports.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { createLiveSessions } from '../../../src/spanner/live-sessions.ts'
import { DECISION_COLUMNS } from '../../../src/spanner/schema.ts'
import { aDeny, anAllow, anEntry, anId } from '../../contract/stored-rows.ts'
import { NOW_SECONDS } from '../../support/builders.ts'
import { createTestDatabase, inMs, startOwnEmulator, openDecisionLog } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'

let emulator: SpannerEmulator
let connection: TestDatabase
let log: DecisionLog

before(async () => {
  emulator = await startOwnEmulator()
  connection = await createTestDatabase(emulator.host)
  log = openDecisionLog(connection.database)
})

beforeEach(async () => {
  const empty = { delete: { table: 'Decisions', keySet: { all: true } } }
  await connection.database.commit([empty], { repeatable: true }, inMs(5000))
})

after(async () => {
  await connection[Symbol.asyncDispose]()
  await emulator.stop()
})

async function query(sql: string): Promise<unknown[][]> {
  const rows = await connection.database.query(sql, {}, inMs(5000))
  return rows.map((row) => row.map(plain))
}

function plain(value: { stringValue?: string | null; boolValue?: boolean | null; listValue?: unknown }): unknown {
  const list = value.listValue as { values: { stringValue: string }[] } | null | undefined
  if (list !== null && list !== undefined) return list.values.map((item) => item.stringValue)
  return value.stringValue ?? value.boolValue ?? null
}

async function onlyRow(): Promise<Record<string, unknown>> {
  const [row] = await query(`SELECT ${DECISION_COLUMNS.join(', ')} FROM Decisions`)
  return Object.fromEntries(DECISION_COLUMNS.map((column, index) => [column, row?.[index]]))
}

test('an admission is stored with everything that is known of it', async () => {
  await log.append([anEntry()], inMs(5000))
  const { CommittedAt, Permissions, SkippedGrants, Actors, Attributes, ...row } = await onlyRow()
  assert.match(String(CommittedAt), /^20\d\d-/)
  assert.deepEqual(JSON.parse(String(Permissions)), anAllow().permissions)
  assert.deepEqual(JSON.parse(String(SkippedGrants)), anAllow().skippedGrants)
  assert.deepEqual(JSON.parse(String(Attributes)), { team: 'blue' })
  assert.deepEqual(JSON.parse(String(Actors)), [
    { sub: 'agent-7', iss: 'https://agents.example', client_id: 'app' },
    { sub: 'agent-1' },
  ])
  assert.deepEqual(row, {
    Shard: '1',
    DenyShard: null,
    DecidedAt: '2023-11-14T22:13:20Z',
    DecisionId: anId('1'),
    Outcome: 'ALLOW',
    Reason: null,
    ReasonDetail: null,
    Principal: 'user:corp:alice',
    DisplayName: 'Alice Example',
    IssuerId: 'corp',
    Issuer: 'https://idp.example/realms/prod',
    Subject: 'alice',
    ClientId: 'web',
    GroupNames: ['ops', 'dev'],
    TokenId: 'token-1',
    TokenSha256: 'a'.repeat(64),
    TokenKeyId: 'key-1',
    TokenAlgorithm: 'RS256',
    TokenAudience: ['nats'],
    TokenIssuedAt: '2023-11-14T22:13:10Z',
    TokenExpiresAt: '2023-11-14T23:13:20Z',
    Account: 'APP',
    SessionExpiresAt: '2023-11-14T23:13:20Z',
    GrantIds: ['g1'],
    LockIds: [],
    GrantsReadAt: '2023-11-14T22:13:20.000001Z',
    WantedAccount: 'APP',
    UserNkey: 'UBDEK5GYLLPUSRM34DGWZM2SNGBRTPVN75DQIAFEMBPJEYQ5EOAFTCVI',
    ServerId: 'NBQXOTPYGNLH7QS5TBA6BXHO3QBZ6FQEUZAIEK2PSRHWCFWGLVCV2CRL',
    ServerName: 'n1',
    ServerVersion: '2.15.1',
    Cluster: null,
    ConnectionId: '7',
    ClientHost: '127.0.0.1',
    ClientName: null,
    ClientLang: null,
    ClientVersion: null,
    ClientKind: 'Client',
    ConnectionType: 'nats',
    TlsVersion: null,
    HasVerifiedCertificate: false,
    ClientCertificateSha256: null,
    InstanceId: 'instance-1',
    ServiceVersion: '0.1.0',
    ElapsedMicros: '1234',
    StageMicros: '{"grants":800,"wait":10}',
    PermissionsSha256: 'a935873b710a383b0a6d7715878f1503e2c1ddb118d1616067ecb889415ced8c',
    GrantSetId: '711430f6164e93803d93428bc1fab80f41e213bb197689307de8606d437c3038',
    RepeatCount: null,
    RepeatedSince: null,
  })
})

test('a denial of a client of whom nothing is known is stored', async () => {
  const entry = anEntry(aDeny({ reason: 'token_missing' }))
  const { principal: _p, issuerId: _i, clientId: _c, grantsReadTimestamp: _g, ...others } = entry
  const { displayName: _d, actors: _a, ...unknown } = others
  await log.append([{ ...unknown, groups: [], token: {} }], inMs(5000))
  const row = await onlyRow()
  assert.deepEqual(
    [row['Outcome'], row['Reason'], row['Principal'], row['DisplayName'], row['Actors'], row['TokenAudience']],
    ['DENY', 'token_missing', null, null, null, null],
  )
})

test('the database takes every reason of the closed list', async () => {
  const reasons = Object.keys(DENY_REASONS) as DenyReason[]
  await log.append(
    reasons.map((reason, index) => anEntry(aDeny({ id: anId(index.toString(16)), reason }))),
    inMs(5000),
  )
  const [row] = await query('SELECT COUNT(DISTINCT Reason) FROM Decisions')
  assert.deepEqual(row, [String(reasons.length)])
})

test('whatever a client or a token says, the decision is stored', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.constantFrom('\u0000', '\ud800', 'x\udc00', '"\\\n', '\u202e', '', '😀'.repeat(2000), 'a'.repeat(100_000)),
    fc.array(fc.integer({ min: 0, max: 0xff_ff }), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
  )
  const texts = fc.sample(text, 20 * 12)
  const numbers = [NaN, Infinity, -1, 0, 2 ** 53, 2 ** 64, 1e300, -1e300, 0.5, 253_402_300_800]
  const entries = Array.from({ length: 20 }, (_, index): AuditEntry => {
    const [a = '', b = '', c = '', d = '', e = '', f = '', g = '', h = '', i = '', j = '', k = '', l = ''] =
      texts.slice(index * 12)
    const number = numbers[index % numbers.length] ?? 0
    return anEntry(aDeny({ id: anId(index.toString(16)), detail: a }), {
      principal: b,
      displayName: j,
      actors: [{ subject: k, issuer: l, clientId: a }],
      clientId: c,
      issuerId: d,
      groups: Array.from({ length: index * 200 }, () => e),
      token: {
        issuer: f,
        subject: g,
        id: h,
        keyId: i,
        algorithm: j,
        audience: [k, l],
        issuedAt: number,
        expiresAt: -number,
        sha256: a,
      },
      elapsedMicros: number,
      request: {
        userNkey: a,
        server: { id: b, name: c, version: d, cluster: e },
        client: {
          connectionId: number,
          host: f,
          kind: g,
          connectionType: h,
          name: i,
          lang: j,
          version: k,
          tlsVersion: l,
        },
      },
    })
  })
  await log.append(entries, inMs(10_000))
  const [row] = await query('SELECT COUNT(*) FROM Decisions')
  assert.deepEqual(row, ['20'])
})

test('what a client must not write into a report is written as its code, and a cut is visible', async () => {
  const entry = anEntry(aDeny())
  const client = { ...entry.request.client, name: 'a\u0000b\nc\ud800d', lang: 'g'.repeat(200) }
  await log.append([{ ...entry, request: { ...entry.request, client } }], inMs(5000))
  const row = await onlyRow()
  assert.equal(row['ClientName'], String.raw`a\u0000b\u000ac\ud800d`)
  assert.equal(row['ClientLang'], `${'g'.repeat(104)}…(+96 characters)`)
})

test('an admission without a principal is never written', async () => {
  const { principal: _principal, ...entry } = anEntry(anAllow())
  await assert.rejects(log.append([entry], inMs(5000)), {
    code: 'ERR_STORE_REFUSED',
    message: 'an admission has to say whom it admits, and on which grants',
  })
})

test('a security team finds denials, a principal and a connection with plain SQL', async () => {
  const ids = ['10', '21', '3f'].map(anId)
  await log.append(
    [anEntry(anAllow({ id: ids[0] ?? '' })), ...ids.slice(1).map((id) => anEntry(aDeny({ id })))],
    inMs(5000),
  )
  const denials = await query(`SELECT DecisionId, Reason FROM Decisions@{FORCE_INDEX=_BASE_TABLE}
    WHERE DenyShard IN UNNEST(GENERATE_ARRAY(0, 15)) AND DecidedAt > '2023-01-01' ORDER BY DecisionId`)
  assert.deepEqual(denials, [
    [ids[1], 'locked'],
    [ids[2], 'locked'],
  ])
  const byId = await query(`SELECT Outcome FROM Decisions WHERE DecisionId = '${ids[2]}'
    AND Shard = STRPOS('0123456789abcdef', SUBSTR('${ids[2]}', -1)) - 1`)
  assert.deepEqual(byId, [['DENY']])
  const admitted = await query(`SELECT Principal, ServerId, ConnectionId FROM Decisions
    WHERE Principal = 'user:corp:alice' AND Outcome = 'ALLOW' AND SessionExpiresAt > TIMESTAMP_SECONDS(${NOW_SECONDS})`)
  assert.equal(admitted.length, 1)
})

test('a security team finds what an agent did in the name of a principal', async () => {
  const [delegated, own] = [anEntry(), anEntry(anAllow({ id: anId('3') }), { actors: [] })]
  await log.append([delegated, own, anEntry(aDeny(), { actors: [{ clientId: 'agent-7' }] })], inMs(5000))
  const rows = await query(`SELECT DecisionId FROM Decisions WHERE Principal = 'user:corp:alice' AND EXISTS (
    SELECT 1 FROM UNNEST(JSON_QUERY_ARRAY(Actors)) AS actor WHERE JSON_VALUE(actor, '$.sub') = 'agent-7')`)
  assert.deepEqual(rows, [[anId('1')]])
})

test('a row that holds what the service never writes is an error to who looks for live sessions', async () => {
  await log.append([anEntry()], inMs(5000))
  const nowMs = NOW_SECONDS * 1000
  const live = createLiveSessions(connection.database, systemClock)
  const query = { nowMs, sessionMaxMs: 3_600_000, limit: 10 }
  assert.equal((await live.find(query)).sessions.length, 1)
  for (const attributes of ['[]', '{"team":7}']) {
    await connection.database.transact(
      (transaction) => transaction.query(`UPDATE Decisions SET Attributes = JSON '${attributes}' WHERE TRUE`, {}),
      inMs(5000),
    )
    await assert.rejects(live.find(query), {
      code: 'ERR_STORE_REFUSED',
      message: /Decisions\.Attributes does not hold what the service writes there/,
    })
  }
})
