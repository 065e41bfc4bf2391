import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { createSecureContext } from 'node:tls'
import { privateDirectory } from '../../src/dev/child-process.ts'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { connectHerd, type Herd } from '../support/herd.ts'
import { until } from '../support/spanner.ts'
import { throttledTls } from '../support/throttled-tls.ts'

/** More than the limit lets in within a second, fewer than it does within the ten attempts of a client. */
const HERD = 600
const CONNECTIONS_PER_SECOND = 150
const BACK_WITHIN_MS = 60_000

const directory = privateDirectory('callout-throttled')
let stack: LocalStack
let herd: Herd

before(async () => {
  const tls = await throttledTls(directory.path, CONNECTIONS_PER_SECOND)
  stack = await startLocalStack(tls)
  const token = await stack.provider.clientCredentials('orders-service')
  const secureContext = createSecureContext({ ca: tls.certificate })
  herd = await connectHerd(HERD, { port: stack.nats.port, token, secureContext })
})
after(async () => {
  herd?.close()
  await stack?.[Symbol.asyncDispose]()
  directory.remove()
})

suite(
  `a reload of nats-server with a connection_rate_limit of ${CONNECTIONS_PER_SECOND}, which disconnects all of ${HERD} clients with default settings,`,
  () => {
    before(async () => {
      stack.nats.signal('SIGHUP')
      await until('every client is disconnected', BACK_WITHIN_MS, () => Promise.resolve(herd.counts.connected < HERD))
      await until('every client is back or lost', BACK_WITHIN_MS, () =>
        Promise.resolve(herd.counts.connected + herd.counts.closedForGood === HERD),
      )
    })

    test('brings every one back, and none is closed for good', () => {
      assert.equal(herd.counts.closedForGood, 0)
    })

    test('turns some away before they are asked for a token', () => {
      assert.ok(herd.failures.includes('closed before CONNECT'))
    })

    test('lets none run into an authentication error', () => {
      assert.deepEqual(
        herd.failures.filter((why) => /auth/i.test(why)),
        [],
      )
    })
  },
)
