import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readConfig } from '../../../src/config/read-config.ts'
import { configWith } from './config-text.ts'

function readWith(account: object, session: object = {}) {
  const file = configWith({ 'callout.accounts': { APP: account, OPS: {} }, session })
  return readConfig(file, { baseDir: '/etc/callout' })
}

suite('what an account sets for its clients', () => {
  for (const inbox of ['none', 'private', 'shared'] as const) {
    test(`is a longest session and the inbox ${inbox}`, () => {
      const reading = readWith({ session_max: '15m', inbox })
      assert.ok('config' in reading, JSON.stringify(reading))
      assert.deepEqual(
        [...reading.config.callout.accounts],
        [
          ['APP', { sessionMaxMs: 900_000, inbox }],
          ['OPS', {}],
        ],
      )
    })
  }

  const mistakes: readonly (readonly [object, RegExp])[] = [
    [{ inbox: 'own' }, /^callout\.accounts\.APP\.inbox: must be one of none, private, shared/],
    [{ inbox: true }, /^callout\.accounts\.APP\.inbox: /],
    [{ session_max: 60 }, /^callout\.accounts\.APP\.session_max: must be a duration with a unit/],
    [{ session_max: '59s' }, /^callout\.accounts\.APP\.session_max: must be from 1m to 720h/],
    [{ session_max: '721h' }, /^callout\.accounts\.APP\.session_max: must be from 1m to 720h/],
  ]
  for (const [account, problem] of mistakes) {
    test(`is no ${JSON.stringify(account)}`, () => {
      const reading = readWith(account)
      const told = 'problems' in reading ? reading.problems.map(({ path, message }) => `${path}: ${message}`) : []
      assert.equal(told.length, 1)
      assert.match(told[0] ?? '', problem)
    })
  }

  test('is no session that is always below the minimum', () => {
    const session = { max: '8h', jitter: '10%', min_remaining: '9m' }
    const tooShort = readWith({ session_max: '10m' }, session)
    assert.deepEqual('problems' in tooShort ? tooShort.problems : [], [
      {
        path: 'callout.accounts.APP.session_max',
        message: 'shortened by session.jitter, must be longer than session.min_remaining',
      },
    ])
    assert.ok('config' in readWith({ session_max: '11m' }, session))
  })
})
