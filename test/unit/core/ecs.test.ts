import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ecsOfChange, ecsOfDecision } from '../../../src/core/ecs.ts'
import { DENY_REASONS, type DenyReason } from '../../../src/core/reasons.ts'
import { aDeny, anAllow, anEntry } from '../../contract/stored-rows.ts'
import { ecsProblems } from '../../support/ecs-fields.ts'
import { chainedRecord } from '../../support/stored-record.ts'

suite('a decision in ECS', () => {
  test('has the fields of the schema, and its own below nats_callout', () => {
    const row = chainedRecord(anEntry(anAllow()), 3)
    const document = ecsOfDecision(row)
    assert.deepEqual(ecsProblems(document), [])
    const { event, user, rule, organization, source, labels, nats_callout: own } = document as Record<string, object>
    assert.deepEqual(event, {
      kind: 'event',
      category: ['authentication'],
      type: ['start'],
      outcome: 'success',
      action: 'connection-allowed',
      dataset: 'nats_callout.decisions',
      module: 'nats_callout',
      provider: 'nats-spanner-callout',
      id: row['DecisionId'],
      duration: 1_234_000,
      created: '2023-11-14T22:13:21.000000000Z',
      hash: row['RowHash'],
    })
    assert.deepEqual(user, {
      id: 'user:corp:alice',
      name: 'alice',
      domain: 'corp',
      full_name: 'Alice Example',
      group: { name: ['ops', 'dev'] },
    })
    assert.deepEqual([rule, organization], [{ id: ['g1'], category: 'grant' }, { id: 'APP' }])
    assert.deepEqual([source, labels], [{ address: '127.0.0.1', ip: '127.0.0.1' }, { team: 'blue' }])
    const { chain_seq: seq, token_id: tokenId, stage_micros: stages } = own as Record<string, unknown>
    assert.deepEqual([seq, tokenId, stages], [3, 'token-1', { wait: 10, grants: 800 }])
  })

  for (const reason of Object.keys(DENY_REASONS) as DenyReason[]) {
    test(`is a failure when it is refused for ${reason}`, () => {
      const document = ecsOfDecision(chainedRecord(anEntry(aDeny({ reason })), 1))
      assert.deepEqual(ecsProblems(document), [])
      const { event } = document as { event: Record<string, unknown> }
      assert.deepEqual([event['outcome'], event['code'], event['reason']], ['failure', reason, DENY_REASONS[reason]])
    })
  }

  test('names a lock as the rule that kept a client out', () => {
    assert.deepEqual(ecsOfDecision(chainedRecord(anEntry(aDeny()), 1))['rule'], { id: ['l1'], category: 'lock' })
  })

  test('gives no field of addresses what is none', () => {
    const document = ecsOfDecision({ DecidedAt: '2027-01-31T18:00:00.000000000Z', ClientHost: 'a host' })
    assert.deepEqual(ecsProblems(document), [])
    assert.deepEqual(document['source'], { address: 'a host' })
  })

  test('is a document whatever a row holds that no service has written', () => {
    for (const row of [{}, { Outcome: 'MAYBE', Reason: 'constructor', Principal: 'nobody', GroupNames: [null] }])
      assert.deepEqual(ecsProblems(ecsOfDecision(row)), [])
  })
})

const CHANGE = {
  id: 't1 1 0 grant g1',
  committedAt: '2027-01-31T18:00:00.123456789Z',
  transactionId: 't1',
  principal: 'user:corp:alice',
  key: ['user:corp:alice', 'g1'],
  source: 'cli',
} as const

suite('a change of policy in ECS', () => {
  for (const [change, type] of [
    ['added', 'creation'],
    ['changed', 'change'],
    ['removed', 'deletion'],
  ] as const) {
    test(`is a ${type} by somebody of what another has when a row is ${change}`, () => {
      const row = { Account: 'APP', Subject: 'orders.>', Labels: ['env=prod', 'tier=a=b'] }
      const document = ecsOfChange({ ...CHANGE, change, kind: 'grant', actor: 'ann', after: row }, '0.1.0')
      assert.deepEqual(ecsProblems(document), [])
      const { event, user, labels, organization } = document as Record<string, { type?: unknown }>
      assert.deepEqual(event?.type, ['admin', type])
      assert.deepEqual(user, { name: 'ann', target: { id: 'user:corp:alice', name: 'alice', domain: 'corp' } })
      assert.deepEqual([labels, organization], [{ env: 'prod', tier: 'a=b' }, { id: 'APP' }])
    })
  }

  test('of which nothing is known has an unknown outcome', () => {
    const document = ecsOfChange({ ...CHANGE, change: 'gap', key: [], principal: '' }, '0.1.0')
    assert.deepEqual(ecsProblems(document), [])
    assert.equal((document['event'] as { outcome: string }).outcome, 'unknown')
  })
})
