import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { allNodes } from '../../../src/cli/command-tree.ts'
import { completionScript, SHELLS } from '../../../src/cli/completion.ts'
import { commandTree } from '../../../src/cli/program.ts'
import { callout } from './recorded-io.ts'

const run = promisify(execFile)

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callout-completion-'))
  await writeFile(join(folder, 'my callout.yaml'), '')
  await writeFile(join(folder, 'callout.bash'), (await callout(['completion', 'bash'])).stdout)
})
after(() => rm(folder, { recursive: true, force: true }))

/** What bash proposes for the last of the words. */
async function proposed(...words: string[]): Promise<string[]> {
  const script = `source callout.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _callout; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = await run('bash', ['--norc', '-c', script, 'bash', 'callout', ...words], { cwd: folder })
  assert.equal(stderr, '')
  return stdout.split('\n').filter((line) => line !== '')
}

suite('the completion of bash', () => {
  test('proposes every command of the program', async () => {
    assert.deepEqual(
      await proposed(''),
      commandTree().commands.map(({ path }) => path[0]),
    )
  })

  test('proposes the commands of a group that begin as written', async () => {
    assert.deepEqual(await proposed('lock', ''), ['add', 'list', 'remove'])
    assert.deepEqual(await proposed('lock', 're'), ['remove'])
    assert.deepEqual(await proposed('serve', ''), [])
  })

  test('proposes the options of a command, and of no other', async () => {
    assert.deepEqual(await proposed('lock', 'add', '--m'), ['--message'])
    const options = await proposed('grants', 'list', '--')
    assert.ok(options.includes('--principal') && options.includes('--help'))
    assert.ok(!options.includes('--reason'))
  })

  test('proposes the values of an option, apart and behind an equals sign', async () => {
    assert.deepEqual(await proposed('grants', 'list', '--output', 'j'), ['json', 'jsonl'])
    assert.deepEqual(await proposed('grants', 'list', '--output', '=', 'y'), ['yaml'])
    assert.deepEqual(await proposed('grants', 'list', '--output', '='), ['table', 'json', 'jsonl', 'yaml', 'csv'])
    assert.deepEqual(await proposed('grants', 'add', '--publish', 'a', '--tls', ''), ['required', 'mutual'])
  })

  test('proposes the values of an argument', async () => {
    assert.deepEqual(await proposed('completion', ''), [...SHELLS])
  })

  test('proposes files, also those with blanks, where a file is meant', async () => {
    assert.deepEqual(await proposed('serve', '--config', 'my'), ['my callout.yaml'])
  })

  test('proposes nothing for a value that may be anything', async () => {
    assert.deepEqual(await proposed('grants', 'add', '--account', ''), [])
  })
})

suite('a completion script', () => {
  for (const shell of SHELLS) {
    test(`of ${shell} knows every command and option`, async () => {
      const { exitCode, stdout, stderr } = await callout(['completion', shell])
      assert.deepEqual([exitCode, stderr], [0, ''])
      for (const { path, options } of allNodes(commandTree())) {
        assert.ok(stdout.includes(path.join(' ')), path.join(' '))
        for (const { flag } of options) assert.ok(stdout.includes(flag.replace(/^-+/, '')), flag)
      }
    })

    test(`of ${shell} is not made for a name that a shell would run`, () => {
      const option = { flag: '--$(id)', description: '', takesValue: true, choices: [], takesPath: false }
      const root = { path: [], description: '', commands: [], options: [option], choices: [] }
      assert.throws(() => completionScript(shell, root), TypeError)
    })
  }
})
