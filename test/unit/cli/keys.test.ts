import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { fromSeed } from '@nats-io/nkeys'
import { stringify } from 'yaml'
import { createSigner } from '../../support/oidc.ts'
import { callout } from './recorded-io.ts'

const FILES = ['auth.password', 'issuer.nk', 'nats-server.keys.conf', 'sys.password', 'xkey.nk']

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'callout-keys-'))
})
after(() => rm(root, { recursive: true, force: true }))

async function folder(): Promise<string> {
  return join(await mkdtemp(join(root, 'case-')), 'secrets')
}

async function contentOf(dir: string): Promise<Record<string, string>> {
  const names = (await readdir(dir)).sort()
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(dir, name), 'utf8')] as const)),
  )
}

const publicKey = (seed: string): string => fromSeed(new TextEncoder().encode(seed.trim())).getPublicKey()

suite('keys generate', () => {
  test('writes keys and passwords that only the owner can read', async () => {
    const dir = await folder()
    const { exitCode } = await callout(['keys', 'generate', '--dir', dir])
    assert.equal(exitCode, 0)
    assert.deepEqual((await readdir(dir)).sort(), FILES)
    assert.equal((await stat(dir)).mode & 0o777, 0o700)
    for (const name of FILES) assert.equal((await stat(join(dir, name))).mode & 0o777, 0o600, name)
  })

  test('shows in a dry run which files it would write, makes no key and no folder', async () => {
    const dir = await folder()
    const { exitCode, stdout, stderr } = await callout([
      'keys',
      'generate',
      '--dir',
      dir,
      '--dry-run',
      '--output',
      'json',
    ])
    assert.equal(exitCode, 0)
    assert.deepEqual(
      (JSON.parse(stdout) as { file: string }[]).map(({ file }) => file).sort(),
      FILES.map((name) => join(dir, name)),
    )
    assert.match(stderr, /nothing was done/)
    await assert.rejects(stat(dir), { code: 'ENOENT' })
  })

  test('refuses in a dry run what it would refuse', async () => {
    const dir = await folder()
    await callout(['keys', 'generate', '--dir', dir])
    assert.equal((await callout(['keys', 'generate', '--dir', dir, '--dry-run'])).exitCode, 3)
  })

  test('names its keys and files by columns and by lines', async () => {
    const csv = await callout(['keys', 'generate', '--dir', await folder(), '--output', 'csv'])
    assert.match(csv.stdout, /^NAME,VALUE\r\nissuer,A\w+\r\nxkey,X\w+\r\nfile,/)
    const jsonl = await callout(['keys', 'generate', '--dir', await folder(), '--output', 'jsonl'])
    assert.equal((JSON.parse(jsonl.stdout.split('\n')[0] ?? '') as { name: string }).name, 'issuer')
  })

  test('writes for nats-server what belongs to the seeds and passwords', async () => {
    const dir = await folder()
    await callout(['keys', 'generate', '--dir', dir])
    const files = await contentOf(dir)
    const variables = Object.fromEntries(
      [...(files['nats-server.keys.conf'] ?? '').matchAll(/^(\w+) = "(.*)"$/gm)].map(([, name, value]) => [
        name,
        value,
      ]),
    )
    assert.deepEqual(variables, {
      CALLOUT_ISSUER: publicKey(files['issuer.nk'] ?? ''),
      CALLOUT_XKEY: publicKey(files['xkey.nk'] ?? ''),
      CALLOUT_AUTH_PASSWORD: files['auth.password']?.trimEnd(),
      CALLOUT_SYS_PASSWORD: files['sys.password']?.trimEnd(),
    })
    assert.match(variables['CALLOUT_ISSUER'] ?? '', /^A/)
    assert.match(variables['CALLOUT_XKEY'] ?? '', /^X/)
    assert.notEqual(files['auth.password'], files['sys.password'])
  })

  test('prints the include line and the public keys, and no secret', async () => {
    const dir = await folder()
    const { stdout, stderr } = await callout(['keys', 'generate', '--dir', dir])
    const files = await contentOf(dir)
    assert.ok(stdout.includes(`include ${dir}/nats-server.keys.conf`))
    assert.ok(stdout.includes(publicKey(files['issuer.nk'] ?? '')))
    for (const name of ['issuer.nk', 'xkey.nk', 'auth.password', 'sys.password']) {
      assert.ok(!`${stdout}${stderr}`.includes(files[name]?.trimEnd() ?? assert.fail()), name)
    }
  })

  test('prints JSON for programs', async () => {
    const dir = await folder()
    const { stdout } = await callout(['keys', 'generate', '--dir', dir, '--output', 'json'])
    const printed = JSON.parse(stdout) as { issuer: string; xkey: string; files: string[] }
    assert.deepEqual(printed.files.map((file) => file.slice(dir.length + 1)).sort(), FILES)
  })

  test('writes nothing when one of the files is there, and exits with 3', async () => {
    const dir = await folder()
    await callout(['keys', 'generate', '--dir', dir])
    await Promise.all(FILES.filter((name) => name !== 'issuer.nk').map((name) => rm(join(dir, name))))
    const before = await contentOf(dir)
    const { exitCode, stderr, stdout } = await callout(['keys', 'generate', '--dir', dir])
    assert.deepEqual([exitCode, stdout], [3, ''])
    assert.match(stderr, /issuer\.nk exists already; nothing was written\n.*--force/)
    assert.deepEqual(await contentOf(dir), before)
  })

  test('does not write through a link that somebody left there', async () => {
    const dir = await folder()
    await callout(['keys', 'generate', '--dir', dir])
    const elsewhere = join(root, 'elsewhere')
    await writeFile(elsewhere, 'untouched')
    await rm(join(dir, 'issuer.nk'))
    await symlink(elsewhere, join(dir, 'issuer.nk'))
    assert.equal((await callout(['keys', 'generate', '--dir', dir])).exitCode, 3)
    assert.equal((await callout(['keys', 'generate', '--dir', dir, '--force'])).exitCode, 0)
    assert.equal(await readFile(elsewhere, 'utf8'), 'untouched')
  })

  test('replaces everything when forced, readable files included', async () => {
    const dir = await folder()
    await callout(['keys', 'generate', '--dir', dir])
    const before = await contentOf(dir)
    await chmod(join(dir, 'issuer.nk'), 0o644)
    assert.equal((await callout(['keys', 'generate', '--dir', dir, '--force'])).exitCode, 0)
    const after = await contentOf(dir)
    assert.deepEqual(Object.keys(after), FILES)
    for (const name of FILES) assert.notEqual(after[name], before[name], name)
    assert.equal((await stat(join(dir, 'issuer.nk'))).mode & 0o777, 0o600)
  })

  test('makes files that config check accepts', async () => {
    const dir = await folder()
    await callout(['keys', 'generate', '--dir', dir])
    const config = join(dir, '..', 'callout.yaml')
    await writeFile(config, stringify(configuration()))
    const { exitCode, stdout, stderr } = await callout(['config', 'check', '--config', config])
    assert.deepEqual([exitCode, stderr], [0, ''])
    assert.match(stdout, /callout\.yaml: ok \(issuers: corp; accounts: APP\)/)
  })
})

function configuration(): Record<string, unknown> {
  return {
    nats: {
      servers: ['nats://127.0.0.1:4222'],
      user: 'auth',
      password_file: 'secrets/auth.password',
      system: { user: 'sys', password_file: 'secrets/sys.password' },
    },
    callout: {
      issuer_seed_files: ['secrets/issuer.nk'],
      xkey_seed_files: ['secrets/xkey.nk'],
      accounts: { APP: {} },
    },
    issuers: [
      {
        id: 'corp',
        issuer: 'https://idp.example',
        keys: { discovery: {} },
        algorithms: ['RS256'],
        audiences: ['nats'],
      },
    ],
    store: { url: 'spanner://projects/p/instances/i/databases/d' },
  }
}

suite('config check', () => {
  test('reports settings and files together, a line each, and exits with 2', async () => {
    const dir = await folder()
    await callout(['keys', 'generate', '--dir', dir])
    const config = join(dir, '..', 'callout.yaml')
    const wrong = {
      ...configuration(),
      grantz: {},
      callout: { issuer_seed_files: ['secrets/xkey.nk'], accounts: { APP: {} } },
    }
    await writeFile(config, stringify(wrong))
    const { exitCode, stdout, stderr } = await callout(['config', 'check', '--config', config])
    assert.deepEqual([exitCode, stdout], [2, ''])
    const lines = stderr.trimEnd().split('\n')
    assert.equal(lines.length, 2, stderr)
    assert.ok(lines.every((line) => line.startsWith(`callout: ${config}: `)))
    assert.match(stderr, /grantz: is not a setting; did you mean "grants"\?/)
    assert.match(stderr, /callout\.issuer_seed_files\[0\]: .*but a curve seed/)
  })

  test('asks the token verifier for its own rules', async () => {
    const dir = await folder()
    await callout(['keys', 'generate', '--dir', dir])
    const config = join(dir, '..', 'callout.yaml')
    const { issuers, ...rest } = configuration()
    await writeFile(
      config,
      stringify({ ...rest, issuers: [{ ...(issuers as object[])[0], token_types: ['logout+jwt'] }] }),
    )
    const { exitCode, stderr } = await callout(['config', 'check', '--config', config])
    assert.equal(exitCode, 2)
    assert.match(stderr, /issuers: .*never a login token/)
  })

  test('looks into the key sets of issuers, and takes one as large as the issuer may send', async () => {
    const dir = await folder()
    await callout(['keys', 'generate', '--dir', dir])
    const config = join(dir, '..', 'callout.yaml')
    const { issuers, ...rest } = configuration()
    const keys = { jwks_file: 'keys.json' }
    await writeFile(config, stringify({ ...rest, issuers: [{ ...(issuers as object[])[0], keys }] }))
    const checkedWith = async (text: string) => {
      await writeFile(join(dir, '..', 'keys.json'), text)
      const { exitCode, stderr } = await callout(['config', 'check', '--config', config])
      return [exitCode, stderr.replace(config, 'callout.yaml').replace(join(dir, '..'), '…')]
    }
    const jwks = JSON.stringify({ keys: [createSigner('RS256').publicJwk] })
    assert.deepEqual(await checkedWith(jwks.padEnd(100_000)), [0, ''])
    assert.deepEqual(await checkedWith('hello'), [
      2,
      'callout: callout.yaml: issuers[0].keys.jwks_file: the document is not JSON: …/keys.json\n',
    ])
  })

  test('warns of a secret that everybody can read, and accepts it', async () => {
    const dir = await folder()
    await callout(['keys', 'generate', '--dir', dir])
    await chmod(join(dir, 'issuer.nk'), 0o644)
    const config = join(dir, '..', 'callout.yaml')
    await writeFile(config, stringify(configuration()))
    const { exitCode, stderr } = await callout(['config', 'check', '--config', config])
    assert.equal(exitCode, 0)
    assert.match(stderr, /^callout: warning: .*issuer_seed_files\[0\]: .*chmod 600/)
  })
})
