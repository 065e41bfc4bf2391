import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CalloutError } from '../../../src/core/errors.ts'
import type { Policy } from '../../../src/core/grant.ts'
import { createBatchedPolicyReader } from '../../../src/service/batched-policy-reader.ts'
import type { PolicyReader } from '../../../src/service/ports.ts'
import { aGrant, aPolicy } from '../../support/builders.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const ALL = aPolicy({
  grants: [
    aGrant({ id: 'a', principal: 'user:corp:alice' }),
    aGrant({ id: 'b', principal: 'user:corp:bob' }),
    aGrant({ id: 'r', principal: 'role:reader' }),
  ],
  bindings: [{ member: 'user:corp:bob', role: 'role:reader' }],
  locks: [{ id: 'l', target: 'user:corp:alice' }],
})

function aReader(read: PolicyReader['read']): { reader: PolicyReader; events: RecordedEvents } {
  const events = new RecordedEvents()
  return {
    reader: createBatchedPolicyReader({ reader: { read }, waitingMax: 100, clock: new ManualClock(), events }),
    events,
  }
}

suite('a shared read of grants', () => {
  test('asks the store once for all who wait and gives each its own rows only', async () => {
    const asked: (readonly string[])[] = []
    const { reader } = aReader((principals) => {
      asked.push(principals)
      return Promise.resolve(ALL)
    })
    const [alice, bob] = await Promise.all([
      reader.read(['user:corp:alice', 'issuer:corp'], 1000),
      reader.read(['user:corp:bob', 'issuer:corp'], 1000),
    ])
    assert.deepEqual(asked, [['user:corp:alice', 'issuer:corp', 'user:corp:bob']])
    assert.deepEqual([ids(alice), ids(bob)], [['a'], ['b', 'r']])
    assert.deepEqual([alice.locks.length, bob.locks.length], [1, 0])
    assert.deepEqual([alice.bindings.length, bob.bindings.length], [0, 1])
  })

  test('brings the rows of a role that is asked for itself once, whoever else has it', async () => {
    const roles = [{ role: 'role:reader', sessionMaxMs: 90_000 }]
    const { reader } = aReader(() => Promise.resolve({ ...ALL, roles }))
    const [alice, bob] = await Promise.all([
      reader.read(['user:corp:alice', 'role:reader'], 1000),
      reader.read(['user:corp:bob', 'role:reader'], 1000),
    ])
    assert.deepEqual(
      [ids(alice), ids(bob)],
      [
        ['a', 'r'],
        ['b', 'r'],
      ],
    )
    assert.deepEqual([alice.roles, bob.roles], [roles, roles])
  })

  test('of persons in many groups takes several reads', async () => {
    const sizes: number[] = []
    const { reader } = aReader((principals) => {
      sizes.push(principals.length)
      return Promise.resolve(ALL)
    })
    const inGroups = (who: string): string[] => [
      who,
      ...Array.from({ length: 600 }, (_, n) => `group:corp:${who}-${n}`),
    ]
    const [, bob, issuer] = await Promise.all([
      reader.read(inGroups('user:corp:alice'), 1000),
      reader.read(inGroups('user:corp:bob'), 1000),
      reader.read(['issuer:corp'], 1000),
    ])
    assert.deepEqual(sizes, [601, 602])
    assert.deepEqual([ids(bob), ids(issuer)], [['b', 'r'], []])
  })

  test('counts a key that many ask for once', async () => {
    const sizes: number[] = []
    const { reader } = aReader((keys) => {
      sizes.push(keys.length)
      return Promise.resolve(ALL)
    })
    const accounts = Array.from({ length: 400 }, (_, n) => `account:A${n}`)
    await Promise.all(
      ['user:corp:alice', 'user:corp:bob', 'user:corp:carl'].map((who) => reader.read([who, ...accounts], 1000)),
    )
    assert.deepEqual(sizes, [403])
  })

  test('of one principal with unusable rows refuses only that one', async () => {
    const { reader } = aReader((principals) => {
      if (principals.includes('user:corp:bob'))
        return Promise.reject(new CalloutError('ERR_STORE_REFUSED', 'too many rows'))
      return Promise.resolve(ALL)
    })
    const [alice, bob] = await Promise.allSettled([
      reader.read(['user:corp:alice'], 1000),
      reader.read(['user:corp:bob'], 1000),
    ])
    assert.equal(alice.status, 'fulfilled')
    assert.equal(
      bob.status === 'rejected' && bob.reason instanceof CalloutError && bob.reason.code,
      'ERR_STORE_REFUSED',
    )
  })

  test('that is one of several refuses nobody in the others', async () => {
    const { reader } = aReader((principals) =>
      principals.includes('user:corp:bob')
        ? Promise.reject(new CalloutError('ERR_STORE_REFUSED', 'too many rows'))
        : Promise.resolve(ALL),
    )
    const groups = Array.from({ length: 1000 }, (_, n) => `group:corp:${n}`)
    const [alice, bob] = await Promise.allSettled([
      reader.read(['user:corp:alice', ...groups], 1000),
      reader.read(['user:corp:bob', ...groups.map((group) => `${group}-b`)], 1000),
    ])
    assert.deepEqual([alice.status, bob.status], ['fulfilled', 'rejected'])
  })

  test('that the store does not answer refuses everybody, without asking once more for each', async () => {
    let reads = 0
    const { reader, events } = aReader(() => {
      reads += 1
      return Promise.reject(new CalloutError('ERR_GRANTS_UNAVAILABLE', 'gone'))
    })
    const both = await Promise.allSettled([
      reader.read(['user:corp:alice'], 1000),
      reader.read(['user:corp:bob'], 1000),
    ])
    await settled()
    assert.deepEqual(
      both.map((one) => one.status),
      ['rejected', 'rejected'],
    )
    assert.equal(reads, 1)
    assert.deepEqual(events.batches, [{ kind: 'grants', items: 2, failure: 'ERR_GRANTS_UNAVAILABLE' }])
  })
})

function ids(policy: Policy): string[] {
  return policy.grants.map((grant) => grant.id)
}
