import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { PERMISSIONS_BYTES_MAX } from '../../src/core/decide.ts'
import type { Action } from '../../src/core/grant.ts'
import { compilePermissions, permissionsBytes } from '../../src/core/permissions.ts'
import type { UnsignedRow } from '../../src/core/policy-row.ts'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { judged, tryConnect } from '../support/clients.ts'
import { insertPolicy } from '../support/insert-policy.ts'

/** Of each side. */
const GRANTS = 1000
const LONG_SUBJECTS = 300

suite('a client with very many grants', () => {
  let stack: LocalStack

  before(async () => {
    stack = await startLocalStack({ provider: { people: { alice: [], bob: [], carol: [] } } })
    const boxes = Array.from({ length: GRANTS }, (_, index) => `box.${index}.of-alice`)
    await insertPolicy(stack.database, [
      ...grants('alice', 'publish', boxes),
      ...grants('alice', 'subscribe', boxes),
      ...grants('bob', 'publish', subjectsOfBytes(PERMISSIONS_BYTES_MAX)),
      ...grants('carol', 'publish', subjectsOfBytes(PERMISSIONS_BYTES_MAX + 1)),
    ])
  })
  after(() => stack[Symbol.asyncDispose]())

  test('is admitted, and may do what each of 2,000 grants says, and nothing else', async () => {
    const connection = await tryConnect(stack, { token: await stack.provider.deviceLogin('alice') })
    assert.ok(connection)
    for (const box of [0, GRANTS / 2, GRANTS - 1].map((index) => `box.${index}.of-alice`)) {
      const subscription = connection.subscribe(box, { max: 1 })
      connection.publish(box, box)
      for await (const message of subscription) assert.equal(message.string(), box)
    }
    const refused = new Promise<unknown>((resolve) => {
      connection.subscribe(`box.${GRANTS}.of-alice`, { callback: resolve })
    })
    assert.match(String(await refused), /Permissions Violation for Subscription to "box\.1000\.of-alice"/)
    await connection.close()
  })

  test('is admitted with as many bytes of permissions as nats-server is sent', async () => {
    const { admitted, rows } = await judged(stack, { token: await stack.provider.deviceLogin('bob') })
    assert.deepEqual([admitted, rows.map(({ outcome }) => outcome)], [true, ['ALLOW']])
  })

  test('is refused with one byte more, and the row says how many there are', async () => {
    const { admitted, rows } = await judged(stack, { token: await stack.provider.deviceLogin('carol') })
    assert.equal(admitted, false)
    assert.deepEqual(
      rows.map(({ reason, detail }) => [reason, detail]),
      [['permissions_too_large', '262145 bytes of permissions, at most 262144']],
    )
  })
})

function grants(person: string, action: Action, subjects: readonly string[]): UnsignedRow[] {
  const principal = `user:local:${person}`
  return subjects.map((subject, index) => ({
    kind: 'grant',
    row: { id: `${person}-${action}-${index}`, principal, account: 'APP', effect: 'allow', action, subject },
  }))
}

/** Subjects of which the permissions to publish have exactly so many bytes. */
function subjectsOfBytes(bytes: number): string[] {
  const names = Array.from({ length: LONG_SUBJECTS }, (_, index) => `long.${String(index).padStart(3, '0')}.`)
  const permissions = (subjects: readonly string[]) =>
    compilePermissions(subjects.map((subject) => ({ action: 'publish', effect: 'allow', subject })))
  const missing = bytes - permissionsBytes(permissions(names))
  const subjects = names.map((name, index) => {
    const share = Math.floor(missing / LONG_SUBJECTS) + (index < missing % LONG_SUBJECTS ? 1 : 0)
    return name + 'x'.repeat(share)
  })
  assert.equal(permissionsBytes(permissions(subjects)), bytes)
  return subjects
}
