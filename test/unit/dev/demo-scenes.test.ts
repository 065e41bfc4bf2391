import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { demoGuide } from '../../../src/dev/demo-guide.ts'
import { describeDelivery } from '../../../src/dev/demo-permissions.ts'
import { describeAnswer } from '../../../src/dev/demo-scenes.ts'
import { textStyle } from '../../../src/dev/text-style.ts'

const ALICE = { name: 'alice' }
const OBSERVER = { name: 'observer' }
const EVERYBODY = [ALICE, OBSERVER]

suite('what became of a message', () => {
  const cases: [string, string][] = [
    [describeDelivery(true, EVERYBODY, EVERYBODY), 'reaches alice and observer'],
    [describeDelivery(true, [OBSERVER], EVERYBODY), 'reaches observer, not alice'],
    [describeDelivery(true, [], EVERYBODY), 'accepted, reaches nobody'],
    [describeDelivery(false, [], EVERYBODY), 'refused by nats-server, reaches nobody'],
    [describeDelivery(false, [OBSERVER], EVERYBODY), 'refused by nats-server, yet reaches observer'],
  ]
  for (const [description, expected] of cases) {
    test(`is told as "${expected}"`, () => {
      assert.equal(description, expected)
    })
  }
})

suite('what became of a client', () => {
  const cases: [string, string][] = [
    [describeAnswer(true, { outcome: 'ALLOW' }), 'let in, on record'],
    [describeAnswer(true, undefined), 'let in, but not on record'],
    [describeAnswer(true, { outcome: 'DENY', reason: 'locked' }), 'let in, but on record as DENY'],
    [describeAnswer(false, { outcome: 'DENY', reason: 'locked' }), 'refused, on record: locked'],
    [describeAnswer(false, undefined), 'refused, but not on record'],
    [describeAnswer(false, { outcome: 'ALLOW' }), 'refused, but on record as ALLOW'],
  ]
  for (const [description, expected] of cases) {
    test(`is told as "${expected}"`, () => {
      assert.equal(description, expected)
    })
  }
})

test('the guide fits a terminal of 120 columns', () => {
  const text = demoGuide(
    {
      natsUrl: 'nats://127.0.0.1:20000',
      natsMonitorUrl: 'http://127.0.0.1:20001',
      natsConfigFile: '/tmp/callout-nats-abcdef/nats-server.conf',
      issuer: 'http://127.0.0.1:20002',
      emulatorHost: '127.0.0.1:20003',
      directory: '/tmp/callout-stack-abcdef',
      configFile: '/tmp/callout-stack-abcdef/callout.yaml',
      logFile: '/tmp/callout-stack-abcdef/service-1.log',
      serviceUrl: 'http://127.0.0.1:20004',
    },
    textStyle({}, {}),
  )
  assert.deepEqual(
    text.split('\n').filter((line) => line.length > 120),
    [],
  )
})
