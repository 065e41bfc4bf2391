import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTurns } from '../../../src/spanner/turns.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'

test('one holder is in at a time, in order of arrival', async () => {
  const turns = createTurns(new ManualClock())
  const order: string[] = []
  const enter = async (name: string): Promise<void> => {
    const end = await turns.take(1000)
    order.push(`${name} in`)
    await settled()
    order.push(`${name} out`)
    end()
  }
  await Promise.all(['a', 'b', 'c'].map(enter))
  assert.deepEqual(order, ['a in', 'a out', 'b in', 'b out', 'c in', 'c out'])
})

test('who waits past the deadline leaves, and the next one gets the turn', async () => {
  const clock = new ManualClock()
  const turns = createTurns(clock)
  const end = await turns.take(1000)
  const late = turns.take(10)
  const patient = turns.take(1000)
  await Promise.all([assert.rejects(late, { code: 4 }), clock.advance(11)])
  end()
  await patient
})

test('a turn that ended is free for whoever comes later', async () => {
  const turns = createTurns(new ManualClock())
  const end = await turns.take(1000)
  end()
  await turns.take(1000)
})
