import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { allNodes } from '../../../src/cli/command-tree.ts'
import { commandTree } from '../../../src/cli/program.ts'
import { callout } from './recorded-io.ts'

suite('callout', () => {
  test('explains itself with examples, exit codes and environment', async () => {
    const { exitCode, stdout, stderr } = await callout(['--help'])
    assert.deepEqual([exitCode, stderr], [0, ''])
    for (const part of [
      'serve',
      'schema',
      'grants',
      'roles',
      'lock',
      'completion',
      'keys',
      'config',
      'First steps:',
      'Exit codes:',
      'CALLOUT_CONFIG',
    ]) {
      assert.ok(stdout.includes(part), part)
    }
  })

  for (const { path } of allNodes(commandTree()).filter(({ commands }) => commands.length === 0)) {
    const command = path.join(' ')
    test(`explains ${command}`, async () => {
      const { exitCode, stdout } = await callout([...path, '--help'])
      assert.equal(exitCode, 0)
      assert.match(stdout, new RegExp(`^Usage: callout ${command}\\b`))
    })
  }

  test('tells its version', async () => {
    const { exitCode, stdout } = await callout(['--version'])
    assert.equal(exitCode, 0)
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  })

  for (const [what, argv] of [
    ['nothing at all', []],
    ['a group without a command', ['grants']],
    ['an unknown command', ['grant']],
    ['an unknown option', ['schema', 'status', '--verbose']],
    ['an unknown output', ['grants', 'list', '--output', 'xml']],
    ['a missing option', ['grants', 'remove', 'id']],
    ['a missing argument', ['grants', 'remove', '--reason', 'x']],
    ['an argument too many', ['schema', 'apply', 'now']],
    ['a configuration that is not there', ['config', 'check', '--config', '/nonexistent/callout.yaml']],
  ] as const) {
    test(`exits with 2 on ${what}, and writes nothing to standard output`, async () => {
      const { exitCode, stdout, stderr } = await callout(argv)
      assert.equal(exitCode, 2)
      assert.equal(stdout, '')
      assert.notEqual(stderr, '')
    })
  }

  test('proposes the command that was meant', async () => {
    assert.match((await callout(['scema'])).stderr, /Did you mean schema\?/)
  })

  test('takes the configuration from --config, then CALLOUT_CONFIG, then callout.yaml', async () => {
    const env = { CALLOUT_CONFIG: '/nonexistent/from-env.yaml' }
    assert.match(
      (await callout(['config', 'check', '--config', '/nonexistent/a.yaml'], env)).stderr,
      /\/nonexistent\/a\.yaml/,
    )
    assert.match((await callout(['config', 'check'], env)).stderr, /from-env\.yaml/)
    assert.match((await callout(['config', 'check'], { CALLOUT_CONFIG: '' })).stderr, /cannot read callout\.yaml/)
  })
})
