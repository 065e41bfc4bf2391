import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditedRequest, type AuditEntry } from '../../../src/core/audit-entry.ts'
import { decide } from '../../../src/core/decide.ts'
import { CalloutError } from '../../../src/core/errors.ts'
import { SpareRows, type SpareRowsOptions } from '../../../src/service/spare-rows.ts'
import { aDecisionInput, aRequest } from '../../support/builders.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'

const ENTRY: AuditEntry = {
  decision: decide(aDecisionInput()),
  request: auditedRequest(aRequest()),
  groups: [],
  token: {},
  instanceId: 'i',
  serviceVersion: '0',
  elapsedMicros: 1,
  stageMicros: {},
}

function aSituation(change: Partial<SpareRowsOptions> = {}) {
  const clock = new ManualClock()
  const commits: number[] = []
  let busy = false
  const rows = new SpareRows({
    run(entries) {
      commits.push(entries.length)
      return Promise.resolve(entries.map(() => undefined))
    },
    rowsPerCommitMax: 2,
    isBusy: () => busy,
    clock,
    ...change,
  })
  return {
    clock,
    commits,
    rows,
    add: (count: number) => Promise.allSettled(Array.from({ length: count }, () => rows.add(ENTRY))),
    setBusy: (now: boolean): void => {
      busy = now
    },
  }
}

test('spare rows are written at once when the log is idle, in commits of bounded size', async () => {
  const { add, commits } = aSituation()
  await add(5)
  assert.deepEqual(commits, [1, 2, 2])
})

test('spare rows wait while the log is busy, and are written now and then all the same', async () => {
  const { add, commits, clock, setBusy } = aSituation()
  setBusy(true)
  const added = add(5)
  await settled()
  assert.deepEqual(commits, [1])
  await clock.advance(500)
  assert.deepEqual(commits, [1, 2])
  await clock.advance(500)
  await added
  assert.deepEqual(commits, [1, 2, 2])
})

test('spare rows are written when the log has become idle', async () => {
  const { rows, add, commits, setBusy } = aSituation()
  setBusy(true)
  void add(3)
  await settled()
  setBusy(false)
  rows.pump()
  await settled()
  assert.deepEqual(commits, [1, 2])
})

test('spare rows beyond a bound are lost, and say so', async () => {
  const { add } = aSituation({ run: () => new Promise(() => {}) })
  void add(4097)
  const [beyond] = await add(1)
  assert.equal(beyond?.status, 'rejected')
})

test('a row that the database refuses is lost alone', async () => {
  const refusal = new CalloutError('ERR_STORE_REFUSED', 'too long')
  const { add } = aSituation({
    run: (entries) => Promise.resolve(entries.map((_, index) => (index === 1 ? refusal : undefined))),
  })
  const outcomes = await add(3)
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected'],
  )
})

test('rows of a commit that fails are lost, and the next ones are written', async () => {
  let attempts = 0
  const { add } = aSituation({
    run: (entries) => {
      attempts += 1
      if (attempts === 1) return Promise.reject(new CalloutError('ERR_AUDIT_UNAVAILABLE', 'gone'))
      return Promise.resolve(entries.map(() => undefined))
    },
  })
  const outcomes = await add(2)
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['rejected', 'fulfilled'],
  )
})

test('at the end spare rows are waited for', async () => {
  const { rows, add, commits, clock } = aSituation()
  void add(5)
  await rows.flush(clock.monotonicMs() + 1000)
  assert.deepEqual(commits, [1, 2, 2])
})

test('at the end spare rows that cannot be written in time are lost, and say so', async () => {
  const { rows, add, clock } = aSituation({ run: () => new Promise(() => {}) })
  void add(1)
  const waiting = add(2)
  const flushed = rows.flush(clock.monotonicMs() + 1000)
  await clock.advance(1000)
  await flushed
  assert.deepEqual(
    (await waiting).map(({ status }) => status),
    ['rejected', 'rejected'],
  )
})
