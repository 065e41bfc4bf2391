import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { firstGrant, grantDocument, problemsOf, rowsOf } from '../../support/documents.ts'

const PUBLISH = 'publish: { allow: [orders.new] }'

suite('documents', () => {
  test('make a row for each principal and subject, with every field', () => {
    const rows = rowsOf(
      `apiVersion: callout.nats/v1
kind: Grant
metadata: { name: orders, owner: team-orders, ticket: OPS-1, labels: { tier: gold, env: prod } }
spec:
  principals: ['user:corp:alice', 'group:corp:ops']
  account: APP
  publish: { deny: [orders.audit] }
  subscribe:
    allow: [{ subject: jobs, queue: workers, response: { max: 3, ttl: 5s } }]
  allow: ['stream:read ORDERS', { action: 'service:offer billing', response: { max: 1, ttl: 2m } }]
  validFrom: 2026-01-01T00:00:00Z
  validUntil: 2027-01-01T00:00:00+01:00
  force: true
`,
      'team',
    )
    assert.deepEqual(
      rows.map(({ row }) => ('subject' in row ? [row.principal, row.effect, row.action, row.subject] : [])),
      ['user:corp:alice', 'group:corp:ops'].flatMap((principal) => [
        [principal, 'deny', 'publish', 'orders.audit'],
        [principal, 'allow', 'subscribe', 'jobs'],
        [principal, 'allow', 'stream:read', 'ORDERS'],
        [principal, 'allow', 'service:offer', 'billing'],
      ]),
    )
    const { id, ...row } = firstGrant(rows.slice(1))
    assert.match(id, /^orders-[0-9a-f]{24}$/)
    assert.deepEqual(row, {
      principal: 'user:corp:alice',
      account: 'APP',
      effect: 'allow',
      action: 'subscribe',
      subject: 'jobs',
      queue: 'workers',
      response: { max: 3, ttlMs: 5000 },
      validFromMs: Date.parse('2026-01-01T00:00:00Z'),
      validUntilMs: Date.parse('2026-12-31T23:00:00Z'),
      forced: true,
      name: 'orders',
      scope: 'team',
      owner: 'team-orders',
      ticket: 'OPS-1',
      labels: ['env=prod', 'tier=gold'],
    })
  })

  test('of roles, bindings and locks make rows of their tables', () => {
    const rows = rowsOf(`apiVersion: callout.nats/v1
kind: Role
metadata: { name: reader }
spec: { role: 'role:reader', description: reads, sessionMax: 8h }
---
apiVersion: callout.nats/v1
kind: RoleBinding
metadata: {}
spec: { role: 'role:reader', members: ['group:corp:ops'] }
---
apiVersion: callout.nats/v1
kind: Lock
metadata: { name: inc-7 }
spec: { targets: ['user:corp:mallory', 'address:10.0.0.0/8', 'token:corp:a:b', 'account:APP', everyone], message: call us }
`)
    assert.deepEqual(
      rows.map(({ kind, row }) => [kind, 'target' in row ? [row.target, row.sourceCidr] : row]),
      [
        ['role', { role: 'role:reader', sessionMaxMs: 28_800_000, description: 'reads', name: 'reader' }],
        ['binding', { member: 'group:corp:ops', role: 'role:reader' }],
        ['lock', ['user:corp:mallory', undefined]],
        ['lock', ['address', '10.0.0.0/8']],
        ['lock', ['token:corp:a:b', undefined]],
        ['lock', ['account:APP', undefined]],
        ['lock', ['everyone', undefined]],
      ],
    )
  })

  test('make the same ids again, and others for another name, scope or subject only', () => {
    const idOf = (text: string, scope?: string): string => firstGrant(rowsOf(text, scope)).id
    const id = idOf(grantDocument(PUBLISH))
    assert.equal(idOf(grantDocument(`${PUBLISH}\nvalidUntil: 2027-01-01T00:00:00Z`, 'name: orders, owner: me')), id)
    assert.notEqual(idOf(grantDocument(PUBLISH), 'team'), id)
    assert.notEqual(idOf(grantDocument(PUBLISH, 'name: other')), id)
    assert.notEqual(idOf(grantDocument('publish: { allow: [orders.old] }')), id)
    assert.notEqual(idOf(grantDocument('publish: { deny: [orders.new] }')), id)
  })

  test('are all told what is wrong at once, each at its place', () => {
    const text = [
      grantDocument('publish: { allow: [a..b, ok, "a b"] }\nsubscribe: { allow: [{ subject: s, queu: q }, 7] }'),
      grantDocument('publish: { allow: [{ subject: a }] }'),
      grantDocument('conditions: { sourceCidrs: [10.0.0.1/8] }\npublish: { allow: [ok] }', 'name: other'),
      'apiVersion: v2\nkind: Grant\n',
      '---\napiVersion: callout.nats/v1\nkind: Grants\n',
      '---\n[]\n',
    ].join('')
    assert.deepEqual(problemsOf(text.replace('apiVersion: v2', '---\napiVersion: v2')), [
      'f.yaml:doc 1: spec.subscribe.allow[0].queu: is not known here',
      'f.yaml:doc 1: spec.subscribe.allow[1]: must be text, got 7',
      'f.yaml:doc 2: spec.publish.allow[0]: must be text, got a mapping',
      'f.yaml:doc 3: spec.conditions.sourceCidrs[0]: has bits set after the prefix length',
      'f.yaml:doc 4: apiVersion: must be callout.nats/v1',
      'f.yaml:doc 5: kind: must be one of Grant, Role, RoleBinding, Lock',
      'f.yaml:doc 6: must be a mapping with apiVersion, kind, metadata and spec',
    ])
  })

  for (const [what, spec, problem] of [
    ['a bad subject', 'publish: { allow: [ok, a..b] }', 'spec.publish.allow[1]: token 2 of the subject is empty'],
    ['nothing', 'validFrom: 2026-01-01T00:00:00Z', 'spec: grants nothing; say what with publish, subscribe or allow'],
    ['an empty list', 'publish: { allow: [] }', 'spec.publish.allow: needs at least 1 entry'],
    [
      'a time without zone',
      `${PUBLISH}\nvalidFrom: 2026-01-01T00:00`,
      'spec.validFrom: must be a time with its zone, such as 2027-01-31T18:00:00Z',
    ],
    [
      'a time that is none',
      `${PUBLISH}\nvalidFrom: 2026-13-01T00:00:00Z`,
      'spec.validFrom: is no time of the calendar',
    ],
    [
      'a reversed window',
      `${PUBLISH}\nvalidFrom: 2027-01-01T00:00:00Z\nvalidUntil: 2026-01-01T00:00:00Z`,
      'spec.validUntil: must be later than validFrom',
    ],
    [
      'a denial that asks for TLS',
      'publish: { deny: [a] }\nconditions: { tls: mutual }',
      'spec.conditions.tls: does not go with a denial, which would be escaped without TLS',
    ],
    [
      'an unknown action',
      "allow: ['stream:drop X']",
      'spec.allow[0]: must be an action and what it is on, such as "stream:read ORDERS"',
    ],
    [
      'a bad resource',
      "allow: ['stream:read A.B']",
      'spec.allow[0]: a name holds letters, digits, "_" and "-", at most 255, or is one {{variable}}',
    ],
    [
      'a consumer without stream',
      "allow: ['consumer:use X']",
      'spec.allow[0]: write STREAM/CONSUMER, each of at most 255 letters, digits, "_" and "-"',
    ],
    [
      'answers to a publication',
      "allow: [{ action: 'kv:read X', response: { max: 1, ttl: 1s } }]",
      'spec.allow[0].response: goes with what may subscribe or offer a service only',
    ],
    [
      'endless answers',
      'subscribe: { allow: [{ subject: a, response: { max: 9000000, ttl: 1s } }] }',
      'spec.subscribe.allow[0].response.max: must be from 1 to 1000000',
    ],
    ['a number for text', 'publish: { allow: [5] }', 'spec.publish.allow[0]: must be text, got 5'],
    ['force: false', `${PUBLISH}\nforce: false`, 'spec.force: must be true; got false'],
  ] as const) {
    test(`with ${what} are refused`, () => {
      assert.deepEqual(problemsOf(grantDocument(spec)), [`f.yaml:doc 1: ${problem}`])
    })
  }

  for (const [what, metadata, problem] of [
    ['no name', 'owner: me', 'metadata.name: is required'],
    ['a name of control characters', 'name: "a\\u0007"', 'metadata.name: must not hold control characters'],
    ['a label that is no text', 'name: a, labels: { tier: 1 }', 'metadata.labels.tier: must be text, got 1'],
    [
      'a scope in capitals',
      'name: a, scope: TEAM',
      'metadata.scope: must be lower-case letters, digits, ".", "_", "-", at most 64',
    ],
    ['an id that is none', 'id: a b', 'metadata.id: must be 1 to 64 letters, digits, "_" and "-"'],
  ] as const) {
    test(`with ${what} are refused`, () => {
      assert.deepEqual(problemsOf(grantDocument(PUBLISH, metadata)), [`f.yaml:doc 1: ${problem}`])
    })
  }

  test('with an id stand for one row', () => {
    assert.deepEqual(
      rowsOf(grantDocument(PUBLISH, 'id: g1')).map(({ row }) => 'id' in row && row.id),
      ['g1'],
    )
    assert.deepEqual(problemsOf(grantDocument('publish: { allow: [a, b] }', 'id: g1')), [
      'f.yaml:doc 1: metadata.id: names one row, but the document makes 2',
    ])
  })

  test('do not share a name, and make no row twice', () => {
    assert.deepEqual(problemsOf(grantDocument(PUBLISH) + grantDocument('publish: { allow: [b] }')), [
      'f.yaml:doc 2: metadata.name: is the name of f.yaml:doc 1 already',
    ])
    assert.deepEqual(problemsOf(grantDocument('publish: { allow: [a, b, a] }')), [
      'f.yaml:doc 1: spec.publish.allow[2]: makes the same row as f.yaml:doc 1',
    ])
    const twice = grantDocument(PUBLISH, 'id: g1') + grantDocument(PUBLISH, 'id: g1').replace('alice', 'bob')
    assert.deepEqual(problemsOf(twice), ['f.yaml:doc 2: spec.publish.allow[0]: makes the same row as f.yaml:doc 1'])
  })

  test('of another scope than the one of the command are refused', () => {
    assert.deepEqual(problemsOf(grantDocument(PUBLISH, 'name: a, scope: theirs'), 'ours'), [
      'f.yaml:doc 1: metadata.scope: is another scope than ours',
    ])
  })
})

suite('hostile YAML', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 9 }, (_, i) => `${'bcdefghij'[i]}: &${'bcdefghij'[i]} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(',')}]`).join('\n')}\n`
  for (const [what, text, problem] of [
    ['an alias bomb', bomb, /^f\.yaml:doc 1: line 2, column 8: aliases are not supported; write the value out$/],
    ['deep nesting', `a: ${'['.repeat(1_000_000)}`, /^f\.yaml:doc 1: the file is nested too deeply$/],
    ['deep nesting of lists', '- '.repeat(1_000_000), /^f\.yaml:doc 1: the file is nested too deeply$/],
    ['a key twice', 'kind: Grant\nkind: Lock\n', /^f\.yaml:doc 1: line 2, column 1: Map keys must be unique$/],
    ['a custom tag', 'kind: !!js/function "x"\n', /^f\.yaml:doc 1: line 1, column 7: /],
    ['__proto__', '__proto__: { kind: Grant }\n', /^f\.yaml:doc 1: line 1, column 1: "__proto__" cannot be a name$/],
    ['no YAML', '}', /^f\.yaml:doc 1: line 1, column 1: /],
    [
      'more than a file may hold',
      ' '.repeat(8 * 1024 * 1024 + 1),
      /^f\.yaml:doc 1: the file is longer than 8388608 characters; split it$/,
    ],
  ] as const) {
    test(`with ${what} is refused`, () => {
      const [first = 'accepted'] = problemsOf(text)
      assert.match(first, problem)
    })
  }

  test('with principals times subjects beyond a document makes no rows', () => {
    const many = (of: string): string => Array.from({ length: 200 }, (_, index) => `${of}${index}`).join(', ')
    const text = grantDocument(`publish: { allow: [${many('s')}] }`).replace('user:corp:alice', many('user:corp:u'))
    assert.deepEqual(problemsOf(text), [
      'f.yaml:doc 1: spec: makes 40000 rows, more than 20000; write several documents',
    ])
  })
})
