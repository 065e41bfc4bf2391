import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CalloutError } from '../../../src/core/errors.ts'
import { forbiddenError, isOutage, isSessionLost, isTransient, storeError } from '../../../src/spanner/status.ts'
import { RowShapeError } from '../../../src/spanner/values.ts'

function failure(code: number, details = ''): Error {
  return Object.assign(new Error(`${code} ${details}`), { code, details })
}

test('each status becomes one code', () => {
  const cases: [number, string, string][] = [
    [3, 'Syntax error', 'ERR_STORE_REFUSED'],
    [4, '', 'ERR_STORE_UNAVAILABLE'],
    [5, 'Session not found: x', 'ERR_STORE_UNAVAILABLE'],
    [5, 'Database not found: x', 'ERR_STORE_UNAVAILABLE'],
    [5, 'Row [1] in table Grants is missing.', 'ERR_STORE_NOT_FOUND'],
    [6, '', 'ERR_STORE_CONFLICT'],
    [7, 'no permission', 'ERR_STORE_FORBIDDEN'],
    [8, '', 'ERR_STORE_UNAVAILABLE'],
    [9, '', 'ERR_STORE_REFUSED'],
    [10, '', 'ERR_STORE_UNAVAILABLE'],
    [11, '', 'ERR_STORE_REFUSED'],
    [12, '', 'ERR_STORE_REFUSED'],
    [13, '', 'ERR_STORE_UNAVAILABLE'],
    [14, '', 'ERR_STORE_UNAVAILABLE'],
    [16, '', 'ERR_STORE_FORBIDDEN'],
  ]
  for (const [status, details, code] of cases) {
    const cause = failure(status, details)
    const error = storeError(cause, 'read')
    assert.deepEqual([error?.code, error?.cause], [code, cause], `${status} ${details}`)
  }
})

test('the constraint is named, and the key of the row that the database quotes is not', () => {
  const details = 'Check constraint `Grants`.`CK_Grants_Subject` is violated for key (user:corp:alice,g1)'
  const error = storeError(failure(11, details), 'commit')
  assert.equal(error?.message, 'commit: the database refused the row: constraint CK_Grants_Subject')
})

test('a CalloutError and an unusable row keep their meaning, and a bug stays a bug', () => {
  const known = new CalloutError('ERR_STORE_NOT_FOUND', 'x')
  assert.equal(storeError(known, 'read'), known)
  assert.equal(storeError(new RowShapeError('Grants.Effect is NULL'), 'read')?.code, 'ERR_STORE_REFUSED')
  assert.equal(storeError(new TypeError('x is not a function'), 'read'), undefined)
})

test('a missing privilege is told with what to do about it, and with the role where it is known', () => {
  const denied = failure(7, 'Role r lacks SELECT on Decisions')
  assert.equal(
    storeError(denied, 'read')?.message,
    'read: a privilege is missing in Spanner: Role r lacks SELECT on Decisions (store.role, or without one the account, lacks it; "Least privilege in Spanner" in README.md says what is needed)',
  )
  assert.match(
    forbiddenError(denied, 'session', 'callout_service')?.message ?? '',
    /the database role is callout_service;/,
  )
  assert.equal(
    storeError(failure(16, 'no token'), 'read')?.message,
    'read: Spanner does not accept the credentials: no token (check GOOGLE_APPLICATION_CREDENTIALS)',
  )
})

test('only what may pass by itself is tried again', () => {
  const transient = [failure(14), failure(8), failure(13, 'Received RST_STREAM with code 2')]
  const final = [failure(3), failure(7), failure(13, 'bug in server'), failure(10), new TypeError('x'), undefined]
  assert.deepEqual([transient.every(isTransient), final.some(isTransient)], [true, false])
})

test('a lost session is told from a lost database', () => {
  assert.ok(isSessionLost(failure(5, 'Session not found: projects/p/…')))
  assert.ok(!isSessionLost(failure(5, 'Database not found: projects/p/…')))
})

test('what is not there is no outage, unless it is the session', () => {
  const outages = [failure(14), failure(4), failure(8), failure(2), failure(5, 'Session not found: x')]
  const others = [
    failure(3),
    failure(7),
    failure(16),
    failure(5, 'Database not found: x'),
    failure(5, 'Table not found: Decisions'),
  ]
  const isOne = (error: Error): boolean => isOutage(storeError(error, 'read'))
  assert.deepEqual([outages.every(isOne), others.some(isOne)], [true, false])
})
