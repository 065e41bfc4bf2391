import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readPermissionTests } from '../../../src/documents/permission-tests.ts'

const HEAD = 'apiVersion: callout.nats/v1\nkind: Tests\n'

function problemsOf(yaml: string): string[] {
  const reading = readPermissionTests('t.yaml', yaml)
  return 'problems' in reading ? reading.problems.map(({ path, message }) => `${path}: ${message}`) : []
}

suite('a file of tests', () => {
  test('says what is known of each client, and what is expected', () => {
    const yaml = `${HEAD}clients:
  - principal: user:corp:alice
    groups: [ops]
    attributes: { team: blue }
    account: APP
    address: 10.0.0.1
    connectionType: MQTT
    tls: mutual
    at: 2026-01-31T18:00:00Z
    publish: { allow: [a.b] }
    subscribe: { deny: [{ subject: c, queue: q }] }
`
    const reading = readPermissionTests('t.yaml', yaml)
    assert.ok('tests' in reading)
    const [first] = reading.tests
    assert.deepEqual(first?.identity, {
      issuerId: 'corp',
      kind: 'user',
      subject: 'alice',
      groups: ['ops'],
      attributes: { team: 'blue' },
      token: {},
    })
    assert.deepEqual(first.connection, {
      kind: 'Client',
      host: '10.0.0.1',
      connectionType: 'mqtt',
      tlsVersion: '1.3',
      hasVerifiedCertificate: true,
    })
    assert.deepEqual(
      [first.name, first.wantedAccount, first.atMs],
      ['user:corp:alice, group ops', 'APP', Date.parse('2026-01-31T18:00:00Z')],
    )
    assert.deepEqual(
      first.expectations.map(({ expected, subject, question }) => [expected, question.action, subject, question.queue]),
      [
        ['allow', 'publish', 'a.b', undefined],
        ['deny', 'subscribe', 'c', 'q'],
      ],
    )
  })

  test('is refused with every problem, each with its place', () => {
    const yaml = `${HEAD}clients:
  - principal: group:corp:ops
    publish: { allow: [a..b], deny: ['{{subject}}'] }
  - principal: user:corp:alice
    subscribe: { allow: [{ subject: a, queue: 'q q' }] }
`
    assert.deepEqual(problemsOf(yaml), [
      't.yaml:doc 1: clients[0].principal: only a user or a client connects: name one of them, and say its groups beside',
      't.yaml:doc 1: clients[0].publish.allow[0]: token 2 of the subject is empty',
      't.yaml:doc 1: clients[0].publish.deny[0]: a subject that is asked for holds no variable',
      't.yaml:doc 1: clients[1].subscribe.allow[0]: token 1 of the queue group holds white space or a control character',
    ])
  })

  test('is refused when a name is not known, a value is none, or nothing is expected', () => {
    const one = (rest: string): string => `${HEAD}clients: [{ principal: 'user:corp:a', ${rest} }]`
    assert.match(
      problemsOf(one('grops: [x], publish: { allow: [a] }')).join(),
      /clients\[0\]\.grops: is not known here/,
    )
    assert.match(problemsOf(one('address: here, publish: { allow: [a] }')).join(), /address: is no IP address/)
    assert.match(problemsOf(one('connectionType: TCP, publish: { allow: [a] }')).join(), /connectionType/)
    assert.match(problemsOf(one('at: yesterday, publish: { allow: [a] }')).join(), /at: must be a time with its zone/)
    assert.match(problemsOf(one('publish: { allow: [{ subject: a }] }')).join(), /must be text/)
    assert.deepEqual(problemsOf(one('publish: { allow: [] }')), ['t.yaml: expects nothing'])
    assert.deepEqual(problemsOf(''), ['t.yaml: expects nothing'])
    assert.match(problemsOf('kind: Grant\napiVersion: callout.nats/v1\n').join(), /kind: must be Tests/)
  })

  test('is refused when it is hostile: too large, too deep, with aliases, or asking too much', () => {
    const client = (subjects: string): string => `{ principal: 'user:corp:a', publish: { allow: ${subjects} } }`
    assert.match(problemsOf('['.repeat(100_000)).join(), /nested too deeply/)
    assert.match(problemsOf('#'.repeat(9 * 1024 * 1024)).join(), /longer than/)
    assert.match(problemsOf(`${HEAD}clients: [&a ${client('[a]')}, *a]`).join(), /aliases are not supported/)
    assert.match(problemsOf(`${HEAD}clients: [${`${client('[a]')},`.repeat(2001)}]`).join(), /more than 2000 entries/)
    const many = `${HEAD}clients: [${client(`[${'a,'.repeat(20_001)}]`)}]`
    assert.match(problemsOf(many).join(), /asks more than 20000 questions/)
  })
})
