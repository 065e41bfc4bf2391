import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parseXml } from '../../support/strict-xml.ts'
import { configWith } from '../config/config-text.ts'
import { callout, type CommandResult } from './recorded-io.ts'

const DEPLOY = path.resolve(import.meta.dirname, '../../../deploy')
const EXAMPLE = path.join(DEPLOY, 'grants.tests.yaml')

let directory = ''
before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'callout-test-'))
  await writeFile(path.join(directory, 'callout.yaml'), configWith({}))
})
after(() => rm(directory, { recursive: true, force: true }))

function run(...argv: string[]): Promise<CommandResult> {
  return callout(['test', ...argv], { CALLOUT_CONFIG: path.join(directory, 'callout.yaml') })
}

/** A file of tests of one client. */
async function tests(name: string, client: string): Promise<string> {
  const file = path.join(directory, name)
  await writeFile(file, `apiVersion: callout.nats/v1\nkind: Tests\nclients:\n  - ${client}\n`)
  return file
}

const documents = ['--documents', path.join(DEPLOY, 'grants')]

suite('test by documents', () => {
  test('finds the example in deploy/ true, without a database', async () => {
    const { exitCode, stdout, stderr } = await run(EXAMPLE, ...documents)
    assert.deepEqual([exitCode, stderr], [0, ''])
    assert.match(stdout, /^(\d+) of \1 as expected\n$/)
  })

  test('shows what is not as expected and why, and exits with 1', async () => {
    const client =
      '{ principal: client:corp:orders, publish: { allow: [orders.new, orders.confirmed.1], deny: [orders.confirmed.2] } }'
    const { exitCode, stdout } = await run(await tests('wrong.yaml', client), ...documents)
    assert.equal(exitCode, 1)
    assert.match(stdout, /^1 of 3 as expected$/m)
    assert.match(stdout, /^client:corp:orders +publish +orders\.new +allow +deny$/m)
    assert.match(stdout, /^client:corp:orders +publish +orders\.confirmed\.2 +deny +allow +orders\.confirmed\.\*$/m)
  })

  test('takes what is allowed in part for neither', async () => {
    const client = (expected: string): string =>
      `{ principal: user:corp:a, groups: [engineering], address: 10.0.0.1, subscribe: { ${expected}: [orders.>] } }`
    for (const expected of ['allow', 'deny']) {
      const { exitCode, stdout } = await run(await tests('part.yaml', client(expected)), ...documents)
      assert.equal(exitCode, 1)
      assert.match(stdout, /allow in part/)
    }
  })

  test('judges windows at the time that a test names', async () => {
    const client = (at: string): string =>
      `{ principal: user:corp:a, groups: [engineering], address: 10.0.0.1, at: ${at}, subscribe: { allow: [orders.new] } }`
    assert.equal((await run(await tests('in.yaml', client('2098-12-31T00:00:00Z')), ...documents)).exitCode, 0)
    const late = await run(await tests('late.yaml', client('2099-01-01T00:00:00Z')), ...documents)
    assert.equal(late.exitCode, 1)
    assert.match(late.stdout, /refused with grants_expired/)
  })

  test('writes JUnit XML, whatever the names hold', async () => {
    const junit = path.join(directory, 'results.xml')
    const client = String.raw`{ name: "]]>\e[31m\"&<", principal: "user:corp:]]>'", publish: { allow: ['<&"'], deny: [a] } }`
    const { exitCode } = await run(await tests('hostile.yaml', client), ...documents, '--junit', junit)
    assert.equal(exitCode, 1)
    const { attributes, children } = parseXml(await readFile(junit, 'utf8'))
    assert.deepEqual([attributes['tests'], attributes['failures']], ['2', '1'])
    const [shown] = children
    assert.equal(shown?.attributes['name'], String.raw`]]>\u{1b}[31m"&<`)
    assert.match(shown.children[0]?.children[0]?.attributes['message'] ?? '', /^deny: refused with no_grants/)
  })

  test('tells programs of every expectation', async () => {
    const { stdout } = await run(EXAMPLE, ...documents, '--output', 'json')
    const records = JSON.parse(stdout) as { isAsExpected: boolean; subject: string }[]
    assert.ok(records.length > 10 && records.every(({ isAsExpected }) => isAsExpected))
  })

  test('of files that are not there, absurd or not right exits with 2', async () => {
    const huge = path.join(directory, 'huge.yaml')
    await writeFile(huge, Buffer.alloc(30 * 1024 * 1024, '#'))
    const binary = path.join(directory, 'binary.yaml')
    await writeFile(binary, Buffer.from([0xff, 0xfe, 0x00]))
    const wrong = await tests('bad.yaml', '{ principal: nobody }')
    const files = [path.join(directory, 'absent.yaml'), directory, huge, binary, wrong]
    for (const file of files) {
      const { exitCode, stdout } = await run(file, ...documents)
      assert.deepEqual([exitCode, stdout], [2, ''], file)
    }
    assert.equal((await run(EXAMPLE, '--documents', path.join(directory, 'absent'))).exitCode, 2)
    const nowhere = await run(EXAMPLE, ...documents, '--junit', path.join(directory, 'no', 'such', 'folder.xml'))
    assert.equal(nowhere.exitCode, 2)
    assert.match(nowhere.stderr, /cannot write .* \(ENOENT\)/)
  })
})
