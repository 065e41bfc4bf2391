import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { suite, test } from 'node:test'
import { commandTree, run } from '../src/cli/program.ts'
import { readConfig } from '../src/config/read-config.ts'
import { DENY_REASONS } from '../src/core/reasons.ts'
import { sha256 } from '../src/documents/digest.ts'
import { readDocuments } from '../src/documents/read-documents.ts'
import { documentJsonSchema } from '../src/documents/schema.ts'
import { GRANTS_SCHEMA } from './support/grants-schema.ts'
import { README, withTables } from './support/readme-tables.ts'

/** What neither compiler nor linter can see. */

const ROOT = path.resolve(import.meta.dirname, '..')
const readme = await readFile(README, 'utf8')

async function sources(folder: string): Promise<{ name: string; text: string }[]> {
  const names = await readdir(path.join(ROOT, folder), { recursive: true })
  return Promise.all(
    names
      .filter((name) => name.endsWith('.ts'))
      .map(async (name) => ({
        name: `${folder}/${name}`,
        text: await readFile(path.join(ROOT, folder, name), 'utf8'),
      })),
  )
}

suite('README.md', () => {
  test('has the tables that the code has (npm run docs writes them)', () => {
    assert.deepEqual(withoutPadding(readme), withoutPadding(withTables(readme)))
  })

  test('shows a configuration that is accepted as it stands', () => {
    const [, yaml = ''] = /```yaml\n(nats:[^`]*)```/.exec(readme) ?? []
    const reading = readConfig(yaml, { baseDir: '/' })
    assert.deepEqual('problems' in reading ? reading.problems : [], [])
  })

  test('names every script of package.json, and no other', async () => {
    const { scripts } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8')) as { scripts: object }
    const named = [...readme.matchAll(/\bnpm (?:run )?([a-z:]+)/g)].map((match) => match[1] ?? '')
    const known = new Set([...Object.keys(scripts), 'ci', 'install'])
    assert.deepEqual(
      named.filter((name) => !known.has(name)),
      [],
    )
  })

  test('shows only commands and options that exist', async () => {
    const names = new Set(commandTree().commands.map(({ path }) => path[0]))
    const shown = [...readme.matchAll(/\bcallout ([a-z-]+(?: [a-z][a-z-]*)?)([^`\n]*)/g)].filter(([, command = '']) =>
      names.has(command.split(' ')[0]),
    )
    assert.ok(shown.length > 8)
    for (const [, command = '', rest = ''] of shown) {
      const help = await helpOf(command.trim().split(' '))
      for (const [option] of rest.matchAll(/--[a-z]+/g)) assert.ok(help.includes(option), `callout ${command}${option}`)
    }
  })
})

suite('deploy/', () => {
  test('has the JSON Schema of the documents that are read (npm run docs writes it)', async () => {
    assert.deepEqual(JSON.parse(await readFile(GRANTS_SCHEMA, 'utf8')), documentJsonSchema())
  })

  test('has examples of documents that are accepted as they stand', async () => {
    const folder = path.join(ROOT, 'deploy/grants')
    const names = await readdir(folder)
    assert.ok(names.length > 0)
    for (const name of names) {
      const reading = readDocuments([{ name, text: await readFile(path.join(folder, name), 'utf8') }], {
        digest: sha256,
      })
      assert.deepEqual('problems' in reading ? reading.problems : [], [])
    }
  })
})

suite('the code', () => {
  test('reads the environment of the process at its edges only', async () => {
    const readers = (await sources('src'))
      .filter(({ text }) => /\bprocess\b\.env|\benv \} = process/.test(text))
      .map(({ name }) => name)
    assert.deepEqual(
      readers.filter((name) => name !== 'src/main.ts' && !name.startsWith('src/dev/')),
      [],
    )
  })

  test('writes no deny reason that the closed list does not have', async () => {
    const written = (await sources('src')).flatMap(({ text }) =>
      [...text.matchAll(/(?:reason: |refuse\(|#deny\()'([a-z_]+)'/g)].map((match) => match[1] ?? ''),
    )
    assert.deepEqual(
      written.filter((reason) => !Object.hasOwn(DENY_REASONS, reason)),
      [],
    )
  })

  test('can give every reason of the list', async () => {
    const deciding = [...(await sources('src/core')), ...(await sources('src/service')), ...(await sources('src/oidc'))]
    const everything = deciding
      .filter(({ name }) => name !== 'src/core/reasons.ts')
      .map(({ text }) => text)
      .join('\n')
    const unused = Object.keys(DENY_REASONS).filter((reason) => !everything.includes(`'${reason}'`))
    assert.deepEqual(unused, [])
  })

  test('is loaded without doing anything', async () => {
    const before = process.getActiveResourcesInfo().length
    for (const { name } of await sources('src')) {
      if (name !== 'src/main.ts' && name !== 'src/dev/main.ts') await import(path.join(ROOT, name))
    }
    assert.equal(process.getActiveResourcesInfo().length, before)
  })
})

async function helpOf(command: readonly string[]): Promise<string> {
  let text = ''
  const stdout = { write: (chunk: string) => (text += chunk) }
  const code = await run([...command, '--help'], { stdout, stderr: stdout, env: {} })
  assert.equal(code, 0, `callout ${command.join(' ')} --help`)
  return text
}

/** Prettier pads the cells of a table. */
function withoutPadding(text: string): string {
  return text
    .replace(/ +\|/g, ' |')
    .replace(/-{3,}/g, '---')
    .replace(/\n{2,}/g, '\n')
}
