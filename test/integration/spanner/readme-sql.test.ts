import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, suite, test } from 'node:test'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { README, sqlOf } from '../../support/readme-tables.ts'
import { createTestDatabase, inMs, startOwnEmulator, type TestDatabase } from '../../support/spanner.ts'

const statements = sqlOf(await readFile(README, 'utf8'))

suite('the SQL of README.md runs as it stands:', () => {
  let emulator: SpannerEmulator
  let store: TestDatabase

  before(async () => {
    emulator = await startOwnEmulator()
    store = await createTestDatabase(emulator.host)
  })
  after(async () => {
    await store[Symbol.asyncDispose]()
    await emulator.stop()
  })

  test('there is some', () => assert.ok(statements.length >= 5))

  for (const statement of statements) {
    test(statement.split('\n').find((line) => !line.startsWith('@')) ?? '', async () => {
      const { database } = store
      if (statement.startsWith('INSERT')) await database.transact((writer) => writer.query(statement, {}), inMs(5000))
      else await database.query(statement, {}, inMs(5000))
    })
  }
})
