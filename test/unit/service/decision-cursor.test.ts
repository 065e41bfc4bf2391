import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeCursor, encodeCursor } from '../../../src/service/decision-cursor.ts'
import { SEARCH_ORDERS } from '../../../src/service/decision-search.ts'

const PLAIN = { noNullPrototype: true }
const position = fc.record(
  {
    decidedAt: fc
      .date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
      .map((date) => date.toISOString().replace('Z', '123456Z')),
    shard: fc.nat(15),
    id: fc.uuid(),
  },
  PLAIN,
)
const cursor = fc.record({ order: fc.constantFrom(...SEARCH_ORDERS), after: position }, PLAIN)

test('a cursor reads back as what it was, and is one word', () => {
  fc.assert(
    fc.property(cursor, (cursor) => {
      const text = encodeCursor(cursor)
      assert.match(text, /^[A-Za-z0-9_-]+$/)
      assert.deepEqual(decodeCursor(text), cursor)
    }),
  )
})

test('a cursor with one character changed is another one or none, and never throws', () => {
  fc.assert(
    fc.property(cursor, fc.nat(), fc.string({ minLength: 1, maxLength: 1 }), (cursor, at, other) => {
      const text = encodeCursor(cursor)
      const index = at % text.length
      const changed = `${text.slice(0, index)}${other}${text.slice(index + 1)}`
      const decoded = decodeCursor(changed)
      if (decoded !== undefined) assert.equal(encodeCursor(decoded), changed)
    }),
  )
})

test('anything else is no cursor', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => assert.equal(decodeCursor(text), undefined)))
  const of = (text: string): string => Buffer.from(text).toString('base64url')
  for (const text of [
    '',
    of('1n2023-13-14T22:13:20.000000000Z/1/x'),
    of('1n0000-01-01T00:00:00.000000000Z/1/x'),
    of("1n2023-11-14T22:13:20.000000000Z/1/' OR TRUE --".padEnd(90, 'x')),
    of('1n2023-11-14T22:13:20.000000000Z/999999/x'),
    of('2n2023-11-14T22:13:20.000000000Z/1/x'),
    `${of('1n2023-11-14T22:13:20.000000000Z/1/x')}=`,
    'A'.repeat(100_000),
  ])
    assert.equal(decodeCursor(text), undefined, text.slice(0, 80))
})
