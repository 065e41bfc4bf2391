import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { RESOURCE_ACTIONS, type ResourceAction } from '../../../src/core/grant.ts'
import { compileResourceAction, problemOfResource } from '../../../src/core/resource-action.ts'
import { covers, parseSubjectPattern, type SubjectPattern } from '../../../src/core/subject.ts'

function compiled(action: ResourceAction, resource: string, variables: Record<string, string> = {}) {
  const subjects = compileResourceAction(action, resource, variables)
  assert.ok('publish' in subjects, JSON.stringify(subjects))
  return subjects
}

function pattern(subject: string): SubjectPattern {
  const parsed = parseSubjectPattern(subject)
  assert.ok('pattern' in parsed, subject)
  return parsed.pattern
}

const EXPECTED: Readonly<Record<ResourceAction, readonly [resource: string, publish: string, subscribe?: string]>> = {
  'stream:read': [
    'ORDERS',
    `$JS.API.STREAM.INFO.ORDERS
     $JS.API.STREAM.MSG.GET.ORDERS
     $JS.API.DIRECT.GET.ORDERS
     $JS.API.DIRECT.GET.ORDERS.>
     $JS.API.CONSUMER.CREATE.ORDERS
     $JS.API.CONSUMER.CREATE.ORDERS.>
     $JS.API.CONSUMER.INFO.ORDERS.*
     $JS.API.CONSUMER.MSG.NEXT.ORDERS.*
     $JS.FC.ORDERS.*.*
     $JS.FC.*.*.ORDERS.*.*`,
  ],
  'stream:write': ['ORDERS', '$JS.API.STREAM.INFO.ORDERS'],
  'stream:manage': [
    'ORDERS',
    `$JS.API.STREAM.CREATE.ORDERS
     $JS.API.STREAM.UPDATE.ORDERS
     $JS.API.STREAM.INFO.ORDERS
     $JS.API.STREAM.PURGE.ORDERS
     $JS.API.STREAM.DELETE.ORDERS
     $JS.API.STREAM.MSG.DELETE.ORDERS
     $JS.API.CONSUMER.NAMES.ORDERS
     $JS.API.CONSUMER.LIST.ORDERS
     $JS.API.CONSUMER.CREATE.ORDERS
     $JS.API.CONSUMER.CREATE.ORDERS.>
     $JS.API.CONSUMER.DURABLE.CREATE.ORDERS.*
     $JS.API.CONSUMER.INFO.ORDERS.*
     $JS.API.CONSUMER.DELETE.ORDERS.*
     $JS.API.CONSUMER.PAUSE.ORDERS.*
     $JS.API.CONSUMER.RESET.ORDERS.*
     $JS.API.CONSUMER.UNPIN.ORDERS.*`,
  ],
  'consumer:use': [
    'ORDERS/worker',
    `$JS.API.CONSUMER.INFO.ORDERS.worker
     $JS.API.CONSUMER.MSG.NEXT.ORDERS.worker
     $JS.ACK.ORDERS.worker.*.*.*.*.*
     $JS.ACK.*.*.ORDERS.worker.*.*.*.*.>
     $JS.FC.ORDERS.worker.*
     $JS.FC.*.*.ORDERS.worker.*`,
  ],
  'kv:read': [
    'conf',
    `$JS.API.STREAM.INFO.KV_conf
     $JS.API.STREAM.MSG.GET.KV_conf
     $JS.API.DIRECT.GET.KV_conf.$KV.conf.>
     $JS.API.DIRECT.GET.KV_conf
     $JS.API.CONSUMER.CREATE.KV_conf
     $JS.API.CONSUMER.CREATE.KV_conf.*
     $JS.API.CONSUMER.CREATE.KV_conf.*.$KV.conf.>
     $JS.API.CONSUMER.INFO.KV_conf.*
     $JS.API.CONSUMER.DELETE.KV_conf.*
     $JS.FC.KV_conf.*.*
     $JS.FC.*.*.KV_conf.*.*`,
  ],
  'kv:write': ['conf', '$JS.API.STREAM.INFO.KV_conf $KV.conf.>'],
  'object:read': [
    'files',
    `$JS.API.STREAM.INFO.OBJ_files
     $JS.API.STREAM.MSG.GET.OBJ_files
     $JS.API.DIRECT.GET.OBJ_files.$O.files.M.>
     $JS.API.CONSUMER.CREATE.OBJ_files.*.$O.files.C.*
     $JS.API.CONSUMER.CREATE.OBJ_files.*.$O.files.M.>
     $JS.API.CONSUMER.INFO.OBJ_files.*
     $JS.API.CONSUMER.DELETE.OBJ_files.*
     $JS.FC.OBJ_files.*.*
     $JS.FC.*.*.OBJ_files.*.*`,
  ],
  'object:write': [
    'files',
    `$JS.API.STREAM.INFO.OBJ_files
     $JS.API.STREAM.MSG.GET.OBJ_files
     $JS.API.DIRECT.GET.OBJ_files.$O.files.M.>
     $JS.API.STREAM.PURGE.OBJ_files
     $O.files.C.>
     $O.files.M.>`,
  ],
  'service:call': [
    'billing',
    'billing billing.> $SRV.PING.billing $SRV.PING.billing.* $SRV.INFO.billing $SRV.INFO.billing.*',
  ],
  'service:offer': [
    'billing',
    '',
    `billing
     billing.>
     $SRV.PING
     $SRV.PING.billing
     $SRV.PING.billing.*
     $SRV.INFO
     $SRV.INFO.billing
     $SRV.INFO.billing.*
     $SRV.STATS
     $SRV.STATS.billing
     $SRV.STATS.billing.*`,
  ],
}

function listed(text: string): string[] {
  return text.split(/\s+/).filter((subject) => subject !== '')
}

suite('an action on a resource', () => {
  for (const action of RESOURCE_ACTIONS) {
    test(`${action} is exactly these subjects`, () => {
      const [resource, publish, subscribe = ''] = EXPECTED[action]
      assert.deepEqual(compiled(action, resource), { publish: listed(publish), subscribe: listed(subscribe) })
    })

    test(`${action} has no subject that another resource has, but the monitoring of all services`, () => {
      const mine = compiled(action, action === 'consumer:use' ? 'A/b' : 'A')
      const names = action === 'consumer:use' ? ['C/b', 'A/c', 'C/c'] : ['C']
      const common = ['$SRV.PING', '$SRV.INFO', '$SRV.STATS']
      for (const other of names.map((name) => compiled(action, name))) {
        for (const side of ['publish', 'subscribe'] as const) {
          const shared = mine[side].filter((subject) => other[side].some((another) => overlap(subject, another)))
          assert.deepEqual(
            shared.filter((subject) => !common.includes(subject)),
            [],
          )
        }
      }
    })
  }

  test('takes a variable for the whole name, which has to fit one token', () => {
    assert.deepEqual(compiled('kv:write', '{{subject}}', { subject: 'alice' }), compiled('kv:write', 'alice'))
    for (const value of ['a.b', '>', '*', 'a b', '', 'a/b', 'ä'])
      assert.deepEqual(compileResourceAction('kv:write', '{{subject}}', { subject: value }), { unresolved: 'subject' })
    assert.deepEqual(compileResourceAction('kv:write', '{{subject}}', {}), { unresolved: 'subject' })
  })

  for (const resource of [
    '',
    '*',
    '>',
    'A.B',
    'A.>',
    'A B',
    'A/b',
    '{{a}}{{b}}',
    'x{{a}}',
    '{{a}}.b',
    'Ä',
    '$A',
    'a\n',
  ])
    test(`refuses the name ${JSON.stringify(resource)}`, () => {
      assert.notEqual(problemOfResource('stream:read', resource), undefined)
      assert.ok('problem' in compileResourceAction('stream:read', resource, { a: 'x', b: 'y' }))
    })

  for (const resource of ['', 'A', '/', 'A/', '/b', 'A/b/c', 'A/*', '*/b', '{{a}}', '{{a}}/b', 'A/{{a}}', 'A.B/c'])
    test(`refuses the consumer ${JSON.stringify(resource)}`, () => {
      assert.ok('problem' in compileResourceAction('consumer:use', resource, { a: 'x' }))
    })

  test('refuses a service by whose name the answers to others could be heard, also as the value of a variable', () => {
    for (const action of ['service:call', 'service:offer'] as const) {
      for (const name of ['_INBOX', '_INBOX_user_corp_alice', '_R_', '-'])
        assert.ok('problem' in compileResourceAction(action, name, {}), name)
      assert.ok('problem' in compileResourceAction(action, '{{subject}}', { subject: '_INBOX' }))
    }
  })

  test('acknowledges to the named consumer alone, in both forms, however streams and consumers are called', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,3}$/)
    const ofAll = fc.tuple(name, name, name, name, fc.array(fc.constantFrom('1', 'x'), { minLength: 5, maxLength: 8 }))
    fc.assert(
      fc.property(ofAll, ([stream, consumer, domain, hash, rest]) => {
        const forms = [
          ['$JS', 'ACK', stream, consumer, ...rest.slice(0, 5)],
          ['$JS', 'ACK', domain, hash, stream, consumer, ...rest],
        ]
        const granted = compiled('consumer:use', 'A/b').publish
        for (const form of forms) {
          const reached = granted.some((subject) => covers(pattern(subject), pattern(form.join('.'))))
          assert.equal(reached, stream === 'A' && consumer === 'b', form.join('.'))
        }
      }),
      {
        numRuns: 5000,
        examples: [[['A', 'b', '_', 'h', ['1', '1', '1', '1', '1']]], [['c', 'd', 'A', 'b', Array(5).fill('1')]]],
      },
    )
  })
})

/** Whether some subject matches both, by the rules of nats-server. */
function overlap(one: string, other: string): boolean {
  const walk = (a: readonly string[], b: readonly string[]): boolean => {
    const [first, ...rest] = a
    const [second, ...others] = b
    if (first === undefined || second === undefined) return first === second
    if (first === '>' || second === '>') return true
    return (first === '*' || second === '*' || first === second) && walk(rest, others)
  }
  return walk(one.split('.'), other.split('.'))
}
