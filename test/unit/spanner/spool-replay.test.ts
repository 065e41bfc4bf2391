import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { RecordSpool } from '../../../src/service/ports.ts'
import type { SpannerDatabase } from '../../../src/spanner/database.ts'
import { replaySpool } from '../../../src/spanner/spool-replay.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const takesAll = { commit: async () => {} } as unknown as SpannerDatabase

function spoolWith(record: string): RecordSpool {
  return { pending: 1, append: async () => {}, drain: (take) => take([record]) }
}

suite('the replay of a spool', () => {
  test('refuses a row of a later release, and says which one has to run', async () => {
    const row = { DecisionId: { stringValue: 'x' }, ColumnOfALaterRelease: { stringValue: 'y' } }
    await assert.rejects(replaySpool(spoolWith(JSON.stringify(row)), takesAll, new ManualClock()), {
      code: 'ERR_STORE_REFUSED',
      message:
        'a spooled row has a column ColumnOfALaterRelease, which this release does not know: run the release that wrote it, or a later one, until the spool is empty',
    })
  })
})
