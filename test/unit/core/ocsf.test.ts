import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { linkHash } from '../../../src/core/audit-chain.ts'
import type { AuditEntry } from '../../../src/core/audit-entry.ts'
import type { ExportedChange } from '../../../src/core/exported-change.ts'
import { ocsfOfChange } from '../../../src/core/ocsf-change.ts'
import { ocsfOfDecision } from '../../../src/core/ocsf-decision.ts'
import type { OcsfEvent } from '../../../src/core/ocsf.ts'
import { DENY_REASONS, type DenyReason } from '../../../src/core/reasons.ts'
import { sha256 } from '../../../src/documents/digest.ts'
import { aDeny, anAllow, anEntry } from '../../contract/stored-rows.ts'
import { chainedRecord } from '../../support/stored-record.ts'
import { ocsfProblems } from '../../support/ocsf-schema.ts'

const TOOLS = { epochMs: (time: string) => Date.parse(time), sha256 }

function eventsOf(entry: AuditEntry, seq = 7): readonly OcsfEvent[] {
  return ocsfOfDecision(chainedRecord(entry, seq), TOOLS)
}

/** As one of a client that presented nothing. */
function aStranger(reason: DenyReason): AuditEntry {
  const { request } = anEntry()
  return {
    decision: aDeny({ reason }),
    request,
    groups: [],
    token: {},
    instanceId: 'instance-1',
    serviceVersion: '0.1.0',
    elapsedMicros: 10,
    stageMicros: {},
  }
}

suite('a decision in OCSF', () => {
  test('is an Authentication, and an allow an Authorize Session with its privileges as well', () => {
    const [logon, session, ...more] = eventsOf(anEntry(anAllow()))
    assert.deepEqual(more, [])
    assert.deepEqual([logon?.['type_uid'], logon?.['status_id'], logon?.['severity_id']], [300201, 1, 1])
    assert.deepEqual([session?.['type_uid'], session?.['status_id']], [300301, 1])
    assert.deepEqual(session?.['privileges'], ['allow publish orders.new', 'deny subscribe >'])
    assert.deepEqual(
      [logon, session].flatMap((event) => ocsfProblems(event ?? {})),
      [],
    )
    assert.deepEqual(
      eventsOf(anEntry(aDeny())).map((event) => event['type_uid']),
      [300201],
    )
  })

  test('says who, from where and why', () => {
    const [event] = eventsOf(anEntry(aDeny()))
    const { user, src_endpoint: source, status_code: code, status_detail: detail } = event as Record<string, object>
    assert.deepEqual(user, {
      uid: 'user:corp:alice',
      name: 'alice',
      type_id: 1,
      type: 'User',
      domain: 'corp',
      display_name: 'Alice Example',
      groups: [{ name: 'ops' }, { name: 'dev' }],
    })
    assert.deepEqual(source, { ip: '127.0.0.1' })
    assert.deepEqual([code, detail], ['locked', DENY_REASONS.locked])
  })

  for (const reason of Object.keys(DENY_REASONS) as DenyReason[]) {
    test(`is an event of the schema when it is refused for ${reason}, whoever it was`, () => {
      for (const entry of [anEntry(aDeny({ reason })), aStranger(reason)]) {
        const [event = {}, ...more] = eventsOf(entry)
        assert.deepEqual(ocsfProblems(event), [])
        assert.deepEqual(more, [])
        assert.deepEqual([event['status_id'], event['status_code']], [2, reason])
        assert.ok(Number(event['severity_id']) >= 2)
      }
    })
  }

  test('attests the place of its row in the chain, in a way that the event itself lets one check', () => {
    for (const event of eventsOf(anEntry(anAllow()), 7)) {
      const { attestation_list: list, metadata, raw_data_hash: content } = event as unknown as Attested
      const [{ chain_uid: chainId, fingerprint, prev_event: previous, uid }] = list
      assert.deepEqual(metadata.profiles, ['record_integrity'])
      const link = { chainId, seq: 7, previousHash: previous.fingerprint.value }
      assert.equal(fingerprint.value, linkHash(link, content.value, sha256))
      assert.deepEqual([uid, previous.uid], [`${chainId}:7`, `${chainId}:6`])
    }
  })

  test('names itself as the event that comes after it does, and refers to none when it is the first', () => {
    const [first = {}] = eventsOf(anEntry(anAllow()), 1)
    const [second = {}] = eventsOf(anEntry(aDeny()), 2)
    const attested = (event: OcsfEvent): { prev_event?: { uid: string; type_uid: number } } =>
      (event['attestation_list'] as [object])[0]
    assert.equal(attested(first).prev_event, undefined)
    assert.equal(attested(second).prev_event?.uid, (first['metadata'] as { uid: string }).uid)
    assert.equal(attested(second).prev_event?.type_uid, first['type_uid'])
  })

  test('of a release before the chains attests nothing', () => {
    const {
      ChainId: _id,
      ChainSeq: _seq,
      PreviousHash: _previous,
      RowHash: _hash,
      ...row
    } = chainedRecord(anEntry(), 1)
    for (const event of ocsfOfDecision(row, TOOLS)) {
      assert.deepEqual(ocsfProblems(event), [])
      assert.deepEqual(
        [event['attestation_list'], (event['metadata'] as { profiles?: unknown }).profiles],
        [undefined, undefined],
      )
    }
  })

  test('that stands for several refusals counts them, from the first to the last', () => {
    const { decidedAtMs } = aDeny()
    const [event = {}] = eventsOf(anEntry(aDeny(), { repeats: { count: 4, sinceMs: decidedAtMs - 60_000 } }))
    assert.deepEqual(ocsfProblems(event), [])
    assert.deepEqual(
      [event['count'], event['time'], event['end_time'], event['duration']],
      [5, decidedAtMs - 60_000, decidedAtMs, 60_000],
    )
  })

  test('is an event of the schema whatever a row holds that no service has written', () => {
    const rows = [
      {},
      { Outcome: 'MAYBE', Reason: 'constructor', DecidedAt: 'never', Principal: 'nobody', ClientHost: 'a host' },
      { Outcome: 'ALLOW', DecidedAt: 'never', Permissions: { publish: { allow: [1] } }, GroupNames: [null] },
      { ...chainedRecord(anEntry(), 3), Attributes: { x: '\ud800' } },
    ]
    for (const event of rows.flatMap((row) => ocsfOfDecision(row, TOOLS))) assert.deepEqual(ocsfProblems(event), [])
  })

  test('is not much larger than its row', () => {
    const many = Array.from({ length: 2000 }, (_, index) => `orders.${index}`)
    const permissions = { publish: { allow: many, deny: [] }, subscribe: { allow: [], deny: ['>'] } }
    const row = chainedRecord(anEntry(anAllow({ permissions })), 1)
    const events = ocsfOfDecision(row, TOOLS)
    assert.ok(JSON.stringify(events).length < 2 * JSON.stringify(row).length + 5000)
  })
})

interface Fingerprint {
  readonly value: string
}

interface Attested {
  readonly attestation_list: readonly [
    {
      readonly uid: string
      readonly chain_uid: string
      readonly fingerprint: Fingerprint
      readonly prev_event: { readonly uid: string; readonly fingerprint: Fingerprint }
    },
  ]
  readonly metadata: { readonly profiles: readonly string[] }
  readonly raw_data_hash: Fingerprint
}

const GRANT = { Effect: 'ALLOW', Action: 'PUBLISH', Subject: 'orders.>', Account: 'APP' }

function aChange(change: Partial<ExportedChange>): ExportedChange {
  return {
    id: 't1 1 0 grant g1',
    committedAt: '2027-01-31T18:00:00.123456789Z',
    transactionId: 't1',
    change: 'added',
    kind: 'grant',
    key: ['user:corp:alice', 'g1'],
    principal: 'user:corp:alice',
    source: 'cli',
    actor: 'ann',
    reason: 'ticket OPS-1',
    ...change,
  }
}

suite('a change of policy in OCSF', () => {
  const deny = { ...GRANT, Effect: 'DENY' }
  const binding = { kind: 'binding', key: ['user:corp:alice', 'role:reader'] } as const
  const cases: readonly (readonly [string, Partial<ExportedChange>, number])[] = [
    ['a grant assigns', { change: 'added', after: GRANT }, 300501],
    ['a grant that goes revokes', { change: 'removed', before: GRANT }, 300502],
    ['a deny revokes', { change: 'added', after: deny }, 300502],
    ['a deny that goes assigns', { change: 'removed', before: deny }, 300501],
    ['a grant that is another now is something else', { change: 'changed', before: GRANT, after: deny }, 300599],
    ['a binding assigns a role', { ...binding, change: 'added', after: {} }, 300503],
    ['a binding that goes removes it', { ...binding, change: 'removed', before: {} }, 300504],
    [
      'a lock is something else',
      { kind: 'lock', key: ['everyone', 'l1'], principal: 'everyone', change: 'added', after: {} },
      300599,
    ],
  ]
  for (const [what, change, typeUid] of cases) {
    test(what, () => {
      const event = ocsfOfChange(aChange(change), TOOLS.epochMs, '0.1.0')
      assert.deepEqual(ocsfProblems(event), [])
      assert.equal(event['type_uid'], typeUid)
    })
  }

  test('shows the privileges before and after', () => {
    const event = ocsfOfChange(
      aChange({ change: 'changed', before: GRANT, after: { ...GRANT, Effect: 'DENY' } }),
      TOOLS.epochMs,
      '1',
    )
    assert.deepEqual(event['privileges'], ['allow publish orders.>', 'deny publish orders.>'])
    assert.deepEqual((event['actor'] as { user: unknown }).user, { name: 'ann' })
  })

  test('a gap in the history is an event of its own, of which nothing is known', () => {
    const { kind: _kind, actor: _actor, ...gap } = aChange({ change: 'gap', key: [], principal: '', source: 'history' })
    const event = ocsfOfChange(gap, TOOLS.epochMs, '0.1.0')
    assert.deepEqual(ocsfProblems(event), [])
    assert.deepEqual([event['type_uid'], event['status_id']], [300500, 0])
  })
})
