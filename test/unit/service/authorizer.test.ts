import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { AuditEntry } from '../../../src/core/audit-entry.ts'
import { CalloutError } from '../../../src/core/errors.ts'
import { Authorizer, type AuthorizerOptions } from '../../../src/service/authorizer.ts'
import type { AuditWriter } from '../../../src/service/audit-writer.ts'
import { createFailureLimits } from '../../../src/service/failure-limits.ts'
import type { Answer, Arrival, Respond, Unavailable } from '../../../src/service/ports.ts'
import { aGrant, anIdentity, aPolicy, aRequest, sessionRules } from '../../support/builders.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

interface Situation {
  readonly clock: ManualClock
  readonly events: RecordedEvents
  readonly rows: AuditEntry[]
  readonly answers: (Answer | Unavailable)[]
  readonly respond: Respond
  readonly authorizer: Authorizer
}

function writerThat(record: (entry: AuditEntry) => Promise<void>): AuditWriter {
  return { record, recordSpare: record, flush: () => Promise.resolve() }
}

const never = (): Promise<never> => new Promise(() => {})

function aSituation(change: Partial<AuthorizerOptions> = {}): Situation {
  const clock = new ManualClock()
  const events = new RecordedEvents()
  const rows: AuditEntry[] = []
  const answers: (Answer | Unavailable)[] = []
  let ids = 0
  const authorizer = new Authorizer({
    verifier: { verify: () => Promise.resolve({ accepted: true, identity: anIdentity() }) },
    policyReader: { read: () => Promise.resolve(aPolicy({ grants: [aGrant()] })) },
    auditWriter: writerThat((entry) => {
      rows.push(entry)
      return Promise.resolve()
    }),
    failureLimits: createFailureLimits({ perAddress: 3, perPrincipal: 3, windowMs: 60_000, clock }),
    userJwtIssuer: { issue: (allow) => Promise.resolve(`jwt of ${allow.id}`) },
    clock,
    newDecisionId: () => `id-${(ids += 1)}`,
    random: () => 0,
    events,
    rules: sessionRules(),
    tokenSources: ['auth_token'],
    tokenBytesMax: 100,
    deadlineMs: 1000,
    instanceId: 'i',
    serviceVersion: '0',
    ...change,
  })
  const respond: Respond = (answer) => {
    answers.push(answer)
    return Promise.resolve('sent')
  }
  return { clock, events, rows, answers, respond, authorizer }
}

function justNow({ clock }: Situation): Arrival {
  return { receivedAtMs: clock.monotonicMs(), openMs: 0 }
}

async function handled(situation: Situation, request = aRequest()): Promise<void> {
  await situation.authorizer.handle(request, justNow(situation), situation.respond)
}

function reasonsOf({ events }: Situation): string[] {
  return events.decisions.map(({ entry }) => (entry.decision.outcome === 'deny' ? entry.decision.reason : 'allow'))
}

test('locks are asked for under every name of the client, its address and each account it may be placed in', async () => {
  let asked: readonly string[] = []
  const situation = aSituation({
    policyReader: {
      read: (keys) => {
        asked = keys
        return Promise.resolve(aPolicy({ grants: [aGrant()], locks: [{ id: 'l1', target: 'account:APP' }] }))
      },
    },
  })
  await handled(situation)
  assert.deepEqual(asked, ['user:corp:alice', 'issuer:corp', 'everyone', 'address', 'account:APP', 'account:OPS'])
  assert.deepEqual(situation.answers, [{ deny: 'locked id-1' }])
})

suite('a request that is to be allowed', () => {
  test('is answered with the user JWT, after its row is durable', async () => {
    const commit = Promise.withResolvers<void>()
    const situation = aSituation({ auditWriter: writerThat(() => commit.promise) })
    const done = handled(situation)
    await settled()
    assert.deepEqual(situation.answers, [])
    commit.resolve()
    await done
    assert.deepEqual(situation.answers, [{ allow: 'jwt of id-1' }])
  })

  test('becomes a denial when its row cannot be written', async () => {
    const situation = aSituation({
      auditWriter: writerThat(() => Promise.reject(new CalloutError('ERR_AUDIT_UNAVAILABLE', 'gone'))),
    })
    await handled(situation)
    assert.deepEqual(situation.answers, [{ unavailable: 'audit_unavailable id-1' }])
    assert.deepEqual(
      situation.events.auditFailures.map((failure) => failure.outcome),
      ['allow'],
    )
  })

  test('becomes a denial when its row is not durable in time, with a tenth of the deadline left to tell it', async () => {
    const situation = aSituation({ auditWriter: writerThat(never) })
    const done = handled(situation)
    await situation.clock.advance(900)
    await done
    assert.deepEqual(situation.answers, [{ unavailable: 'audit_unavailable id-1' }])
  })

  test('is reported as late when its answer could not go out in time', async () => {
    const situation = aSituation()
    await situation.authorizer.handle(aRequest(), justNow(situation), () => Promise.resolve('late'))
    assert.deepEqual(
      situation.events.decisions.map((decided) => decided.delivery),
      ['late'],
    )
  })

  test('is denied as internal when signing fails, and the row says so', async () => {
    const situation = aSituation({ userJwtIssuer: { issue: () => Promise.reject(new TypeError('bug')) } })
    await handled(situation)
    assert.deepEqual(situation.answers, [{ unavailable: 'internal id-2' }])
    assert.deepEqual(
      situation.rows.map((row) => row.decision.outcome),
      ['deny'],
    )
    assert.equal(situation.events.unexpectedErrors.length, 1)
  })
})

suite('a request that is to be denied', () => {
  test('after the identity is known leaves a row that names the principal and who acts for it', async () => {
    const identity = anIdentity({ display: 'Alice Example', actors: [{ subject: 'agent-7' }] })
    const situation = aSituation({
      verifier: { verify: () => Promise.resolve({ accepted: true, identity }) },
      policyReader: { read: () => Promise.reject(new CalloutError('ERR_STORE_UNAVAILABLE', 'gone')) },
    })
    await handled(situation)
    const [row] = situation.rows
    assert.deepEqual(
      [row?.principal, row?.displayName, row?.actors],
      ['user:corp:alice', 'Alice Example', [{ subject: 'agent-7' }]],
    )
  })

  test('is answered with reason and decision id, nothing more, and its row holds the rest', async () => {
    const situation = aSituation({
      verifier: {
        verify: () =>
          Promise.resolve({
            accepted: false,
            reason: 'token_expired',
            detail: 'expired 5 s ago',
            token: { id: 'j' },
            issuerId: 'corp',
          }),
      },
    })
    await handled(situation)
    assert.deepEqual(situation.answers, [{ deny: 'token_expired id-1' }])
    const [row] = situation.rows
    assert.deepEqual([row?.token, row?.issuerId, row?.principal], [{ id: 'j' }, 'corp', undefined])
  })

  test('is denied all the same when its row is lost, and the loss is counted', async () => {
    const situation = aSituation({
      policyReader: { read: () => Promise.resolve(aPolicy()) },
      auditWriter: writerThat(() => Promise.reject(new CalloutError('ERR_AUDIT_UNAVAILABLE', 'gone'))),
    })
    await handled(situation)
    assert.deepEqual(situation.answers, [{ deny: 'no_grants id-1' }])
    assert.deepEqual(
      situation.events.auditFailures.map((failure) => failure.outcome),
      ['deny'],
    )
  })

  test('without a token does not reach the verifier', async () => {
    const situation = aSituation({ verifier: { verify: never } })
    await handled(situation, aRequest({ credentials: {} }))
    assert.deepEqual(reasonsOf(situation), ['token_missing'])
  })
})

suite('a dependency', () => {
  const gone = (code: 'ERR_GRANTS_UNAVAILABLE' | 'ERR_OVERLOADED') => (): Promise<never> =>
    Promise.reject(new CalloutError(code, 'gone'))

  test('that cannot read grants is not a missing grant', async () => {
    const situation = aSituation({ policyReader: { read: gone('ERR_GRANTS_UNAVAILABLE') } })
    await handled(situation)
    assert.deepEqual(reasonsOf(situation), ['grants_unavailable'])
  })

  test('whose queue is full is an overload', async () => {
    const situation = aSituation({ policyReader: { read: gone('ERR_OVERLOADED') } })
    await handled(situation)
    assert.deepEqual(reasonsOf(situation), ['overloaded'])
  })

  test('that hangs in verification is given up at its share of the deadline', async () => {
    const situation = aSituation({ verifier: { verify: never } })
    const done = handled(situation)
    await situation.clock.advance(400)
    await done
    assert.deepEqual(situation.answers, [{ unavailable: 'issuer_unavailable id-1' }])
  })

  test('that hangs in reading grants is given up in time for the audit', async () => {
    const situation = aSituation({ policyReader: { read: never } })
    const done = handled(situation)
    await situation.clock.advance(700)
    await done
    assert.deepEqual(situation.answers, [{ unavailable: 'grants_unavailable id-1' }])
    assert.equal(situation.rows.length, 1)
  })

  test('that throws something unknown is a bug, denied as internal', async () => {
    const situation = aSituation({ policyReader: { read: () => Promise.reject(new TypeError('bug')) } })
    await handled(situation)
    assert.deepEqual(reasonsOf(situation), ['internal'])
  })
})

suite('a request that has waited', () => {
  test('divides what is left of the deadline among its steps', async () => {
    const situation = aSituation({ policyReader: { read: never } })
    const arrival = justNow(situation)
    await situation.clock.advance(500)
    const done = situation.authorizer.handle(aRequest(), arrival, situation.respond)
    await situation.clock.advance(349)
    assert.deepEqual(situation.answers, [])
    await situation.clock.advance(1)
    await done
    assert.deepEqual(situation.answers, [{ unavailable: 'grants_unavailable id-1' }])
  })

  test('keeps half of a short rest for the answer', async () => {
    const situation = aSituation({ policyReader: { read: never }, auditWriter: writerThat(never) })
    const arrival = justNow(situation)
    await situation.clock.advance(940)
    const done = situation.authorizer.handle(aRequest(), arrival, situation.respond)
    await situation.clock.advance(30)
    await done
    assert.deepEqual(situation.answers, [{ unavailable: 'grants_unavailable id-1' }])
  })

  test('says how long', async () => {
    const situation = aSituation()
    const arrival = justNow(situation)
    await situation.clock.advance(30)
    await situation.authorizer.handle(aRequest(), { ...arrival, openMs: 10 }, situation.respond)
    assert.equal(situation.events.decisions[0]?.durations.wait, 20)
  })
})

suite('a request that is shed', () => {
  const shed = (situation: Situation): Promise<void> =>
    situation.authorizer.shed(aRequest(), justNow(situation), situation.respond)

  test('is answered at once, before its row is durable', async () => {
    const situation = aSituation({ auditWriter: writerThat(never) })
    void shed(situation)
    await settled()
    assert.deepEqual(situation.answers, [{ unavailable: 'overloaded id-1' }])
  })

  test('is looked at no further', async () => {
    const situation = aSituation({ verifier: { verify: never }, policyReader: { read: never } })
    await shed(situation)
    await settled()
    assert.deepEqual(reasonsOf(situation), ['overloaded'])
    assert.equal(situation.rows[0]?.decision.id, 'id-1')
  })

  test('is counted as lost when its row is', async () => {
    const situation = aSituation({
      auditWriter: writerThat(() => Promise.reject(new CalloutError('ERR_OVERLOADED', 'full'))),
    })
    await shed(situation)
    await settled()
    assert.equal(situation.events.auditFailures[0]?.outcome, 'deny')
    assert.equal(situation.events.decisions[0]?.recorded, false)
  })
})

suite('who was refused too often of late', () => {
  const badToken = {
    verify: () => Promise.resolve({ accepted: false, reason: 'signature_invalid', detail: 'd', token: {} } as const),
  }

  test('is refused by address before a token is verified', async () => {
    let verified = 0
    const situation = aSituation({
      verifier: {
        verify: () => {
          verified += 1
          return badToken.verify()
        },
      },
    })
    for (let i = 0; i < 5; i += 1) await handled(situation)
    assert.equal(verified, 3)
    assert.deepEqual(reasonsOf(situation).slice(3), ['too_many_failures', 'too_many_failures'])
  })

  test('is refused by principal before grants are read', async () => {
    let reads = 0
    const situation = aSituation({
      policyReader: {
        read: () => {
          reads += 1
          return Promise.resolve(aPolicy())
        },
      },
    })
    for (let i = 0; i < 5; i += 1) await handled(situation)
    assert.equal(reads, 3)
    assert.deepEqual(reasonsOf(situation).slice(2), ['no_grants', 'too_many_failures', 'too_many_failures'])
  })

  test('is answered although its row cannot be written, and the row is counted as lost', async () => {
    const situation = aSituation({
      failureLimits: { refusesAddress: () => true, refusesPrincipal: () => false, judged() {} },
      auditWriter: writerThat(() => Promise.reject(new CalloutError('ERR_OVERLOADED', 'full'))),
    })
    await handled(situation)
    await settled()
    assert.deepEqual(situation.answers, [{ deny: 'too_many_failures id-1' }])
    assert.equal(situation.events.auditFailures.length, 1)
  })

  test('is not one whom we could not judge', async () => {
    const situation = aSituation({
      policyReader: { read: () => Promise.reject(new CalloutError('ERR_GRANTS_UNAVAILABLE', 'gone')) },
    })
    for (let i = 0; i < 5; i += 1) await handled(situation)
    assert.deepEqual(new Set(reasonsOf(situation)), new Set(['grants_unavailable']))
  })
})

test('an audit entry holds no credential of the request', async () => {
  const situation = aSituation()
  await handled(situation, aRequest({ credentials: { authToken: 'secret-token', user: 'APP' } }))
  assert.doesNotMatch(JSON.stringify(situation.rows), /secret-token|"credentials"/)
})

test('an audit entry says who asked for which account, when the grants were read, and how long all took', async () => {
  const situation = aSituation({
    verifier: {
      async verify() {
        await situation.clock.advance(2)
        return { accepted: true, identity: anIdentity({ groups: ['eng'], clientId: 'cli' }) }
      },
    },
  })
  await handled(situation, aRequest({ credentials: { authToken: 'a.b.c', user: 'APP' } }))
  const [row] = situation.rows
  assert.deepEqual(
    [row?.wantedAccount, row?.groups, row?.clientId, row?.grantsReadTimestamp],
    ['APP', ['eng'], 'cli', aPolicy().readTimestamp],
  )
  assert.deepEqual([row?.elapsedMicros, row?.stageMicros['verify']], [2000, 2000])
})

test('a user name that is no account of ours is no wanted account', async () => {
  const situation = aSituation()
  await handled(situation, aRequest({ credentials: { authToken: 'a.b.c', user: 'alice' } }))
  assert.equal(situation.rows[0]?.wantedAccount, undefined)
})

const unlimited = { refusesAddress: () => false, refusesPrincipal: () => false, judged() {} }

suite('a decision is told as recorded', () => {
  const lost = writerThat(() => Promise.reject(new CalloutError('ERR_AUDIT_UNAVAILABLE', 'gone')))
  for (const [what, change] of [
    ['of an admission', {}],
    ['of a refusal that is answered first', { failureLimits: { ...unlimited, refusesAddress: () => true } }],
  ] as const) {
    test(`${what} when its row is durable, and not when it is lost`, async () => {
      for (const [isRecorded, writer] of [
        [true, {}],
        [false, { auditWriter: lost }],
      ] as const) {
        const situation = aSituation({ ...change, ...writer })
        await handled(situation)
        await settled()
        assert.deepEqual(
          situation.events.decisions.map(({ recorded }) => recorded),
          [isRecorded],
        )
      }
    })
  }

  test('when the row of another refusal stands for it', async () => {
    const situation = aSituation({ failureLimits: unlimited })
    for (let n = 0; n < 8; n += 1) await handled(situation, aRequest({ credentials: {} }))
    assert.equal(situation.rows.length, 5)
    assert.ok(situation.events.decisions.every(({ recorded }) => recorded))
  })
})

suite('a flood of refusals', () => {
  test('of nobody who is known shares rows, which are written at the latest when the service ends', async () => {
    const situation = aSituation({ failureLimits: unlimited })
    for (let n = 0; n < 8; n += 1) await handled(situation, aRequest({ credentials: {} }))
    situation.authorizer.flush()
    assert.deepEqual(
      situation.rows.map(({ repeats }) => repeats?.count),
      [undefined, undefined, undefined, undefined, undefined, 2],
    )
  })

  test('of one who is too often refused shares rows', async () => {
    const situation = aSituation({ failureLimits: { ...unlimited, refusesAddress: () => true } })
    for (let n = 0; n < 8; n += 1) await handled(situation)
    assert.equal(situation.rows.length, 5)
  })

  test('of one whom we know, for what his grants say, has a row each', async () => {
    const situation = aSituation({
      failureLimits: unlimited,
      policyReader: { read: () => Promise.resolve(aPolicy()) },
    })
    for (let n = 0; n < 8; n += 1) await handled(situation)
    assert.equal(situation.rows.length, 8)
  })

  test('counts all of them as lost when their row is', async () => {
    const gone = aSituation({
      failureLimits: unlimited,
      auditWriter: writerThat(() => Promise.reject(new CalloutError('ERR_AUDIT_UNAVAILABLE', 'gone'))),
    })
    for (let n = 0; n < 8; n += 1) await handled(gone, aRequest({ credentials: {} }))
    gone.authorizer.flush()
    await settled()
    assert.equal(
      gone.events.auditFailures.reduce((sum, { rows }) => sum + rows, 0),
      8,
    )
  })
})
