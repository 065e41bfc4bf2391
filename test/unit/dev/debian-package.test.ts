import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { suite, test } from 'node:test'
import { configuredDebianArchives } from '../../../src/dev/debian-package.ts'

async function archivesOf(files: Record<string, string>) {
  const etcApt = await mkdtemp(path.join(tmpdir(), 'etc-apt-'))
  try {
    await mkdir(path.join(etcApt, 'sources.list.d'))
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(etcApt, name), text)
    return await configuredDebianArchives(etcApt)
  } finally {
    await rm(etcApt, { recursive: true })
  }
}

suite('the Debian archives of a machine', () => {
  test('a one-line entry gives its address and keyring', async () => {
    const archives = await archivesOf({
      'sources.list':
        'deb [arch=amd64 signed-by=/usr/share/keyrings/d.gpg] http://mirror.example/debian bookworm main\n',
    })
    assert.deepEqual(archives, [{ uri: 'http://mirror.example/debian', signedBy: '/usr/share/keyrings/d.gpg' }])
  })

  test('a one-line entry without options uses the default keys of the machine', async () => {
    const archives = await archivesOf({
      'sources.list': 'deb http://mirror.example/debian stable main contrib # ours\n',
    })
    assert.deepEqual(archives, [{ uri: 'http://mirror.example/debian' }])
  })

  test('a deb822 stanza gives every address of it with the keyring, comments passed over', async () => {
    const archives = await archivesOf({
      'sources.list.d/debian.sources': [
        'Types: deb deb-src',
        '# mirror of the house',
        'URIs: http://a.example/debian http://b.example/debian',
        'Suites: trixie trixie-updates',
        'Components: main contrib',
        'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
        '',
      ].join('\n'),
    })
    const signedBy = '/usr/share/keyrings/debian-archive-keyring.gpg'
    assert.deepEqual(archives, [
      { uri: 'http://a.example/debian', signedBy },
      { uri: 'http://b.example/debian', signedBy },
    ])
  })

  test('a key block inside a stanza is kept as it stands', async () => {
    const block = '\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----'
    const archives = await archivesOf({
      'sources.list.d/debian.sources': `Types: deb\nURIs: http://a.example/debian\nSuites: sid\nComponents: main\nSigned-By:${block}\n`,
    })
    assert.equal(archives[0]?.signedBy, block)
  })

  test('security archives, other vendors, sources, disabled stanzas and commented lines are left out', async () => {
    const archives = await archivesOf({
      'sources.list': [
        '# deb http://old.example/debian bookworm main',
        'deb-src http://mirror.example/debian bookworm main',
        'deb http://security.example/debian-security bookworm-security main',
        'deb https://packages.example/apt cloud-sdk-bookworm main',
        'deb http://mirror.example/debian bookworm non-free',
      ].join('\n'),
      'sources.list.d/off.sources':
        'Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: sid\nComponents: main\n',
      'sources.list.d/other.sources': 'Types: deb\nURIs: https://other.example/\nSuites: nodistro\nComponents: main\n',
    })
    assert.deepEqual(archives, [])
  })

  test('an archive that is configured twice counts once', async () => {
    const line = 'deb http://mirror.example/debian bookworm main\n'
    assert.equal((await archivesOf({ 'sources.list': line + line })).length, 1)
  })

  test('a machine without apt has none', async () => {
    assert.deepEqual(await configuredDebianArchives('/nonexistent/etc/apt'), [])
  })
})
