import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { judgeKnock, judgeTrial } from '../../../../src/cli/doctor/answer-checks.ts'
import type { CalloutAccount } from '../../../../src/cli/doctor/callout-account.ts'
import { judgeIssuer } from '../../../../src/cli/doctor/issuer-checks.ts'
import { judgeClock } from '../../../../src/cli/doctor/judge-clock.ts'
import { judgeAccount, judgeBypass, judgeMembers } from '../../../../src/cli/doctor/members-checks.ts'
import { judgeAuthorization } from '../../../../src/cli/doctor/mode-checks.ts'
import { judgePermissions, judgeReach } from '../../../../src/cli/doctor/reach-checks.ts'
import { judgeLatency } from '../../../../src/cli/doctor/store-checks.ts'
import { judgeLimits } from '../../../../src/cli/doctor/system-checks.ts'
import type { ConnectionFacts } from '../../../../src/nats/system-questions.ts'

const URL = 'nats://n1:4222'
const GREETING = { serverId: 'N1', version: '2.15.1', tlsRequired: false, maxPayload: 1_048_576 }
const SERVER = {
  id: 'N1',
  name: 'n1',
  version: '2.15.1',
  authTimeoutMs: 2000,
  maxControlLine: 65_536,
  maxPayload: 1_048_576,
  systemAccount: 'SYS',
  operatorMode: false,
  clockOffsetMs: 0,
  roundTripMs: 2,
}

const FACTS = { serverId: 'N1', found: true, leafNodes: 0, exports: [], signingKeys: [] }

let cids = 0
function aConnection(change: Partial<ConnectionFacts> = {}): ConnectionFacts {
  const base = {
    serverId: 'N1',
    connectionId: (cids += 1),
    account: 'AUTH',
    user: 'auth',
    name: 'callout',
    address: '10.0.0.1:4000',
  }
  return { ...base, subscriptions: [], ...change }
}
const member = (queue = 'callout'): ConnectionFacts =>
  aConnection({ subscriptions: [{ subject: '$SYS.REQ.USER.AUTH', queue }] })
const account = (...connections: readonly ConnectionFacts[]): CalloutAccount => ({
  name: 'AUTH',
  user: 'auth',
  connections,
  facts: [FACTS],
})

suite('doctor judges', () => {
  test('a server elsewhere that speaks in the clear to be worth a warning, with TLS or here to be well', () => {
    assert.equal(judgeReach(URL, GREETING, false).status, 'warn')
    assert.equal(judgeReach(URL, { ...GREETING, tlsRequired: true }, false).status, 'ok')
    assert.equal(judgeReach(URL, GREETING, true).status, 'ok')
    assert.equal(judgeReach('tls://n1', GREETING, false).status, 'ok')
    for (const host of ['localhost', '127.0.0.1', '127.8.9.1', '[::1]'])
      assert.equal(judgeReach(`nats://${host}:4222`, GREETING, false).status, 'ok', host)
    assert.equal(judgeReach('nats://127.0.0.1.example:4222', GREETING, false).status, 'warn')
  })

  test('limits at their edges', () => {
    const status = (change: Partial<typeof SERVER>): string =>
      judgeLimits({ ...SERVER, ...change }, 1500, 16_384).status
    assert.equal(status({}), 'ok')
    assert.equal(status({ authTimeoutMs: 1500 }), 'fail')
    assert.equal(status({ authTimeoutMs: 1501 }), 'warn')
    assert.equal(status({ authTimeoutMs: 1700 }), 'ok')
    assert.equal(status({ maxControlLine: 17_407 }), 'fail')
    assert.equal(status({ maxControlLine: 17_408 }), 'ok')
    assert.equal(status({ maxPayload: 524_287 }), 'warn')
  })

  test('what a server does not tell as not enough', () => {
    assert.equal(judgeLimits({ ...SERVER, authTimeoutMs: Number.NaN }, 1500, 16_384).status, 'fail')
    assert.equal(judgeLimits({ ...SERVER, maxControlLine: Number.NaN }, 1500, 16_384).status, 'fail')
    assert.equal(judgeClock('n1', Number.NaN, 0).status, 'skipped')
    assert.equal(judgeLatency([], 1500).status, 'fail')
  })

  test('a clock by what is certain of its offset', () => {
    assert.deepEqual(judgeClock('n1', 40, 50), { status: 'ok', detail: 'n1: the same time' })
    assert.match(judgeClock('n1', -250, 50).detail, /200 ms behind/)
    assert.equal(judgeClock('n1', 5_000, 0).status, 'warn')
    assert.equal(judgeClock('n1', -60_000, 0).status, 'fail')
  })

  test('reads of the store against the deadline', () => {
    assert.equal(judgeLatency([5, 6, 900], 1500).status, 'ok')
    assert.equal(judgeLatency([400, 400, 400], 1500).status, 'warn')
    assert.equal(judgeLatency([1600, 1600, 1600], 1500).status, 'fail')
  })

  test('permissions: one finding for each that is wrong', () => {
    const well = { mayListenAside: false, mayPublishAnywhere: false, mayHearRefusals: true }
    const statuses = (change: Partial<typeof well> & { mayJoinQueue?: boolean }): string[] =>
      judgePermissions(URL, { ...well, ...change }, 'callout').map(({ status }) => status)
    assert.deepEqual(statuses({}), ['ok'])
    assert.deepEqual(statuses({ mayJoinQueue: true }), ['ok'])
    assert.deepEqual(statuses({ mayJoinQueue: false, mayPublishAnywhere: true }), ['fail'])
    assert.deepEqual(statuses({ mayListenAside: true, mayHearRefusals: false, mayPublishAnywhere: true }), [
      'warn',
      'warn',
      'warn',
    ])
  })

  test('a refusal by what nats-server says of it, else by how long it took', () => {
    const knock = { outcome: 'refused', why: 'Authorization Violation', tookMs: 20 } as const
    const status = (change: { tookMs?: number; reason?: string }): string | undefined =>
      judgeKnock(URL, { ...knock, ...change }, 2000)?.status
    const denied = 'Auth callout service returned an error: token_missing 1'
    assert.equal(status({}), 'ok')
    assert.equal(status({ tookMs: 1200 }), 'warn')
    assert.equal(status({ tookMs: 2000 }), undefined)
    assert.equal(status({ reason: denied }), 'ok')
    assert.equal(status({ reason: denied, tookMs: 2100 }), 'warn')
    assert.equal(status({ reason: '' }), undefined)
    assert.equal(status({ reason: 'Auth callout violation: "no reason supplied" on account "AUTH"' }), 'warn')
    assert.equal(status({ reason: 'Error decrypting auth callout response' }), 'fail')
    assert.equal(judgeKnock(URL, { ...knock, tookMs: 1000 }, undefined), undefined)
  })

  test('a request of somebody else that came first as no proof that answers arrive', () => {
    const trial = {
      overheard: { sealed: true, answered: false, issuerKey: 'A1' },
      knock: { outcome: 'silent', why: '', tookMs: 1000 },
    } as const
    assert.match(judgeTrial(URL, trial, 2, ['A1'], 'callout').detail, /the running service does not answer/)
  })

  test('a server that refuses without asking, and one that does not ask here', () => {
    const knock = { why: '', tookMs: 3 }
    assert.match(
      judgeTrial(URL, { knock: { ...knock, outcome: 'refused' } }, 0, ['A1'], 'callout').detail,
      /refuses a client without asking/,
    )
    assert.match(
      judgeTrial(URL, { knock: { ...knock, outcome: 'silent' } }, 0, ['A1'], 'callout').advice ?? '',
      /auth_callout\.account/,
    )
  })

  test('everybody who hears requests outside the queue group as a listener, by whatever wildcard', () => {
    for (const subject of ['$SYS.REQ.USER.AUTH', '$SYS.REQ.USER.*', '$SYS.>', '>', '*.*.*.*']) {
      const listener = aConnection({ subscriptions: [{ subject }] })
      assert.deepEqual(
        judgeMembers(account(member(), member(), listener), 'callout').map(({ status }) => status),
        ['fail', 'ok'],
        subject,
      )
    }
    const harmless = aConnection({ subscriptions: [{ subject: '$SYS.ACCOUNT.CLIENT.AUTH.ERR' }, { subject: '*.*.*' }] })
    assert.deepEqual(
      judgeMembers(account(member(), member(), harmless), 'callout').map(({ status }) => status),
      ['ok'],
    )
  })

  test('members of another queue group as listeners', () => {
    const [listening, members] = judgeMembers(account(member(), member(), member('debug')), 'callout')
    assert.deepEqual([listening?.status, members?.status], ['fail', 'ok'])
  })

  test('exports and leaf nodes of the account of the service', () => {
    const judged = (facts: Partial<CalloutAccount['facts'][number]>): string =>
      judgeAccount({ ...account(), facts: [{ ...FACTS, ...facts }] }).status
    assert.equal(judged({}), 'ok')
    assert.equal(judged({ exports: ['$SYS.>'] }), 'fail')
    assert.equal(judged({ exports: ['metrics'] }), 'warn')
    assert.equal(judged({ exports: ['$SRV.>'] }), 'ok')
    assert.equal(judged({ leafNodes: 1 }), 'fail')
  })

  test('who is named by a principal of an issuer of ours as admitted by us, and nobody else', () => {
    const issuers = new Set(['corp'])
    const status = (user: string): string => judgeBypass('APP', [aConnection({ user })], true, issuers).status
    assert.equal(status('user:corp:alice'), 'ok')
    assert.equal(status('client:corp:billing:eu'), 'ok')
    for (const user of [
      '',
      'alice',
      'user:other:alice',
      'group:corp:admins',
      'issuer:corp',
      'role:admin',
      'user:corp:',
    ])
      assert.equal(status(user), 'fail', user)
  })

  test('nobody by showing the user of a connection, which may be a token', () => {
    const { detail } = judgeBypass(
      'APP',
      [aConnection({ user: 'a.secret.token', name: 'x'.repeat(300) })],
      true,
      new Set(),
    )
    assert.ok(!detail.includes('secret'))
    assert.ok(detail.length < 300)
  })

  test('the JWT of the callout account by the service, the xkey and the accounts that it names', () => {
    const authorization = { users: ['U1'], allowedAccounts: ['A1', 'A2'], xkey: 'X1' }
    const wanted = { xkeys: ['X0', 'X1'], accounts: new Map([['APP', 'A1']]) }
    const failures = (change: Partial<typeof authorization>, expected: Partial<typeof wanted> = {}): number =>
      judgeAuthorization({ authorization: { ...authorization, ...change } }, 'U1', { ...wanted, ...expected }).length
    assert.equal(failures({}), 0)
    assert.equal(failures({ allowedAccounts: ['*'] }), 0)
    assert.equal(failures({ users: [] }), 1)
    assert.equal(failures({ users: ['U2'], xkey: 'X2', allowedAccounts: [] }), 3)
    assert.equal(failures({}, { xkeys: [] }), 1)
    const { xkey: _none, ...plain } = authorization
    assert.equal(judgeAuthorization({ authorization: plain }, 'U1', wanted).length, 1)
    assert.equal(judgeAuthorization({ authorization: plain }, 'U1', { ...wanted, xkeys: [] }).length, 0)
    assert.equal(judgeAuthorization({}, 'U1', wanted).length, 1)
  })

  test('an issuer by the keys that it can use', () => {
    const entry = { id: 'corp', issuer: 'https://idp.example' }
    const well = { usableKeys: 2, algorithmsWithoutKey: [], refusals: [] }
    assert.deepEqual(judgeIssuer(entry, well), { status: 'ok', detail: 'corp: 2 usable keys' })
    assert.equal(judgeIssuer(entry, { ...well, refusals: ['the key is too short'] }).status, 'warn')
    assert.equal(judgeIssuer(entry, new Error('no answer')).status, 'fail')
  })
})
