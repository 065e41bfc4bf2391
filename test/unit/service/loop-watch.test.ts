import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startLoopWatch, type LoopWatch } from '../../../src/service/loop-watch.ts'
import { ManualClock } from '../../support/manual-clock.ts'

/** A watch whose sockets are read when the test says so. */
async function aWatch(): Promise<{ clock: ManualClock; watch: LoopWatch; readSockets: () => void }> {
  const clock = new ManualClock()
  let afterReading: (() => void)[] = []
  const watch = startLoopWatch({ clock, nextTurn: (callback) => void afterReading.push(callback) })
  const readSockets = (): void => {
    const due = afterReading
    afterReading = []
    for (const callback of due) callback()
  }
  for (let turn = 0; turn < 20; turn += 1) {
    await clock.advance(50)
    readSockets()
  }
  watch.takeStandstillMs()
  return { clock, watch, readSockets }
}

suite('the watch over the event loop', () => {
  test('takes a message to be as old as the moment it is read', async () => {
    const { clock, watch } = await aWatch()
    clock.pass(100)
    assert.equal(watch.arrivalMs(), clock.monotonicMs())
  })

  test('takes a message that is read right after a standstill to be as old as that', async () => {
    const { clock, watch } = await aWatch()
    const stoppedMs = clock.monotonicMs()
    clock.pass(3000)
    assert.ok(watch.arrivalMs() <= stoppedMs)
  })

  test('does so also when timers come before the sockets', async () => {
    const { clock, watch, readSockets } = await aWatch()
    const stoppedMs = clock.monotonicMs()
    clock.pass(3000)
    await clock.advance(0)
    assert.ok(watch.arrivalMs() <= stoppedMs)
    readSockets()
    assert.equal(watch.arrivalMs(), clock.monotonicMs())
  })

  test('tells the longest standstill once', async () => {
    const { clock, watch, readSockets } = await aWatch()
    clock.pass(3000)
    await clock.advance(0)
    readSockets()
    const standstillMs = watch.takeStandstillMs()
    assert.ok(standstillMs >= 2950 && standstillMs <= 3050, String(standstillMs))
    assert.ok(watch.takeStandstillMs() < 50)
  })
})
