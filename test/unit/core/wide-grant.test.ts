import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { RESOURCE_ACTIONS } from '../../../src/core/grant.ts'
import { covers, parseSubjectPattern } from '../../../src/core/subject.ts'
import { needsForce, wideReach, type WideReach } from '../../../src/core/wide-grant.ts'
import { aGrant } from '../../support/builders.ts'

function reachOf(subject: string): WideReach[] {
  return wideReach(aGrant({ subject })).map(({ reach }) => reach)
}

suite('a grant', () => {
  for (const [subject, ...expected] of [
    ['>', 'everything', 'system', 'jetstream_api', 'inboxes'],
    ['*.>', 'everything', 'system', 'jetstream_api', 'inboxes'],
    ['*', 'everything'],
    ['*.*', 'everything', 'inboxes'],
    ['*.*.>', 'everything', 'system', 'jetstream_api', 'inboxes'],
    ['$SYS.>', 'system'],
    ['$SYS.*', 'system'],
    ['$SYS.ACCOUNT.*.CONNECT', 'system'],
    ['$SYS.REQ.SERVER.PING', 'system'],
    ['$SYS.REQ.USER.*', 'system'],
    ['*.REQ.SERVER.PING', 'system'],
    ['*.*.SERVER.PING', 'system', 'inboxes'],
    ['$JS.API.>', 'jetstream_api'],
    ['$JS.>', 'jetstream_api'],
    ['$JS.API.STREAM.>', 'jetstream_api'],
    ['$JS.API.*.DELETE.ORDERS', 'jetstream_api'],
    ['$JS.API.STREAM.*.ORDERS', 'jetstream_api'],
    ['$JS.API.STREAM.{{subject}}.ORDERS', 'jetstream_api'],
    ['$JS.*.API.>', 'jetstream_api'],
    ['$JS.hub.API.CONSUMER.>', 'jetstream_api'],
    ['*.API.>', 'jetstream_api'],
    ['_INBOX.>', 'inboxes'],
    ['_INBOX.*', 'inboxes'],
    ['_INBOX.*.*', 'inboxes'],
    ['{{subject}}.>', 'inboxes'],
  ] as const)
    test(`of ${subject} reaches ${expected.join(', ')}`, () => {
      assert.deepEqual(reachOf(subject), expected)
    })

  for (const subject of [
    'orders.>',
    'orders.*',
    '*.orders.>',
    'box.{{subject}}.>',
    '{{subject}}.orders',
    '$SYS.REQ.USER.INFO',
    '$JS.API.INFO',
    '$JS.API.STREAM.NAMES',
    '$JS.API.STREAM.INFO.*',
    '$JS.API.CONSUMER.MSG.NEXT.ORDERS.*',
    '$JS.ACK.ORDERS.>',
    '$KV.config.>',
    '_INBOX.{{subject}}.>',
    '*.orders.API.>',
    '_INBOX.alice.>',
    '_INBOX_alice.>',
    'a..b',
  ])
    test(`of ${subject} is nothing to confirm`, () => {
      assert.deepEqual(reachOf(subject), [])
    })

  test('of inboxes is worth a warning, everything else a confirmation', () => {
    assert.equal(needsForce(aGrant({ subject: '_INBOX.>' })), false)
    for (const subject of ['>', '*', '$SYS.>', '$JS.API.>'])
      assert.equal(needsForce(aGrant({ subject })), true, subject)
  })

  test('that denies is never too wide', () => {
    assert.deepEqual(wideReach(aGrant({ subject: '>', effect: 'deny' })), [])
  })

  test('on a named resource is never too wide', () => {
    for (const action of RESOURCE_ACTIONS) assert.deepEqual(wideReach(aGrant({ action, subject: 'ORDERS' })), [])
  })

  test('that nobody confirmed reaches requests to JetStream of one kind at most, and no server', () => {
    const token = fc.constantFrom('*', '>', '$JS', '$SYS', 'API', 'REQ', 'STREAM', 'DELETE', 'INFO', 'ORDERS')
    fc.assert(
      fc.property(fc.array(token, { minLength: 1, maxLength: 6 }), (tokens) => {
        const parsed = parseSubjectPattern(tokens.join('.'))
        if ('problem' in parsed || needsForce(aGrant({ subject: tokens.join('.') }))) return
        const reaches = (subject: string): boolean => {
          const wanted = parseSubjectPattern(subject)
          return 'pattern' in wanted && covers(parsed.pattern, wanted.pattern)
        }
        const requests = ['STREAM.DELETE.ORDERS', 'STREAM.INFO.ORDERS', 'CONSUMER.INFO.ORDERS']
        assert.ok(requests.filter((request) => reaches(`$JS.API.${request}`)).length <= 1)
        assert.equal(reaches('$SYS.REQ.SERVER.PING'), false)
      }),
      { numRuns: 5000 },
    )
  })
})
