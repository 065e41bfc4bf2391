import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { systemClock } from '../../../src/service/clock.ts'
import { SpannerDatabase } from '../../../src/spanner/database.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'
import { inMs } from '../../support/spanner.ts'

const VARIABLE = 'GOOGLE_APPLICATION_CREDENTIALS'
const saved = process.env[VARIABLE]

before(() => {
  process.env[VARIABLE] = '/nonexistent/credentials.json'
})

after(() => {
  if (saved === undefined) delete process.env[VARIABLE]
  else process.env[VARIABLE] = saved
})

test('missing credentials fail each call with the reason, and do not end the process', async () => {
  const events = new RecordedEvents()
  const name = 'projects/p/instances/i/databases/d'
  await using database = new SpannerDatabase({ database: name, clock: systemClock, events })
  for (let call = 0; call < 2; call++) {
    await assert.rejects(database.query('SELECT 1', {}, inMs(5000)), {
      code: 'ERR_STORE_UNAVAILABLE',
      message: /^no credentials for Spanner: /,
    })
  }
  assert.equal(events.faults.length, 2)
})
