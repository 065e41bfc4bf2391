import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { suite, test } from 'node:test'
import { CalloutError } from '../../../src/core/errors.ts'
import { locateNatsServer } from '../../../src/dev/locate-nats-server.ts'
import type { LocateOptions } from '../../../src/dev/locate-nats-server.ts'

interface Machine {
  /** Puts a program that prints the text for `--version` into the directory, and returns its path. */
  readonly install: (directory: string, output: string) => Promise<string>
  readonly cache: (version: string) => Promise<string>
  readonly locate: (env: NodeJS.ProcessEnv) => ReturnType<typeof locateNatsServer>
  readonly progress: string[]
}

/** A machine without Debian mirror, on a platform that has no release: nothing can be fetched. */
async function onMachine(body: (machine: Machine) => Promise<void>): Promise<void> {
  const root = await mkdtemp(path.join(tmpdir(), 'locate-'))
  const progress: string[] = []
  const install = async (directory: string, output: string): Promise<string> => {
    const binary = path.join(root, directory, 'nats-server')
    await mkdir(path.dirname(binary), { recursive: true })
    await writeFile(binary, `#!/bin/sh\necho '${output}'\n`)
    await chmod(binary, 0o755)
    return binary
  }
  try {
    await body({
      install,
      cache: (version) => install(`.cache/nats-server-${version}`, `nats-server: v${version}`),
      locate: (env) => {
        const PATH = (env['PATH'] ?? '').replaceAll('~', root)
        const options: LocateOptions = {
          env: { ...env, PATH },
          cacheDirectory: path.join(root, '.cache'),
          etcApt: path.join(root, 'etc/apt'),
          platform: 'aix',
        }
        return locateNatsServer((line) => progress.push(line), options)
      },
      progress,
    })
  } finally {
    await rm(root, { recursive: true })
  }
}

function toolMissing(pattern: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof CalloutError)
    assert.equal(error.code, 'ERR_TOOL_MISSING')
    assert.match(error.message, pattern)
    return true
  }
}

suite('finding nats-server', () => {
  test('NATS_SERVER_BIN comes first', async () => {
    await onMachine(async ({ install, cache, locate }) => {
      const chosen = await install('chosen', 'nats-server: v2.14.4')
      await install('bin', 'nats-server: v2.15.1')
      await cache('2.15.1')
      assert.deepEqual(await locate({ NATS_SERVER_BIN: chosen, PATH: '~/bin' }), { path: chosen, version: '2.14.4' })
    })
  })

  test('NATS_SERVER_BIN that is too old is an error, not passed over', async () => {
    await onMachine(async ({ install, cache, locate }) => {
      const old = await install('old', 'nats-server: v2.14.3')
      await cache('2.15.1')
      await assert.rejects(locate({ NATS_SERVER_BIN: old }), toolMissing(/2\.14\.3; 2\.14\.4 or newer/))
    })
  })

  test('NATS_SERVER_BIN that is another program is an error', async () => {
    await onMachine(async ({ install, locate }) => {
      const other = await install('other', 'GNU something 1.0')
      await assert.rejects(locate({ NATS_SERVER_BIN: other }), toolMissing(/not a nats-server/))
    })
  })

  test('a server on PATH is taken before the cache', async () => {
    await onMachine(async ({ install, cache, locate }) => {
      const installed = await install('bin', 'nats-server: v2.14.10')
      await cache('2.15.1')
      assert.deepEqual(await locate({ PATH: '~/empty:~/bin' }), { path: installed, version: '2.14.10' })
    })
  })

  test('a server on PATH that is too old gives way to the next one on PATH', async () => {
    await onMachine(async ({ install, locate }) => {
      await install('old', 'nats-server: v2.9.10')
      const installed = await install('new', 'nats-server: v2.15.1')
      assert.equal((await locate({ PATH: '~/old:~/new' })).path, installed)
    })
  })

  test('relative entries of PATH are not searched: they would run what lies in the current directory', async () => {
    await onMachine(async ({ cache, locate }) => {
      const cached = await cache('2.15.1')
      assert.equal((await locate({ PATH: '.:bin' })).path, cached)
    })
  })

  test('the newest version of the cache is taken, by number and without running it', async () => {
    await onMachine(async ({ install, cache, locate }) => {
      await cache('2.14.9')
      const newest = await install('.cache/nats-server-2.14.10', 'not run')
      assert.deepEqual(await locate({}), { path: newest, version: '2.14.10' })
    })
  })

  test('a version that is asked for is the one that is taken, however old', async () => {
    await onMachine(async ({ install, cache, locate }) => {
      await install('bin', 'nats-server: v2.15.1')
      await cache('2.15.1')
      const old = await cache('2.10.27')
      const env = { NATS_SERVER_VERSION: '2.10.27', PATH: '~/bin' }
      assert.deepEqual(await locate(env), { path: old, version: '2.10.27' })
    })
  })

  test('NATS_SERVER_BIN of another version than the one that is asked for is an error', async () => {
    await onMachine(async ({ install, locate }) => {
      const other = await install('other', 'nats-server: v2.15.1')
      const env = { NATS_SERVER_BIN: other, NATS_SERVER_VERSION: '2.10.27' }
      await assert.rejects(locate(env), toolMissing(/version 2\.15\.1; 2\.10\.27 is needed/))
    })
  })

  test('nothing is reported when nothing is slow', async () => {
    await onMachine(async ({ cache, locate, progress }) => {
      await cache('2.15.1')
      await locate({})
      assert.deepEqual(progress, [])
    })
  })

  test('when nothing is found the error lists all that was tried and what to install', async () => {
    await onMachine(async ({ install, cache, locate }) => {
      await install('bin', 'nats-server: v2.9.10')
      await cache('2.14.3')
      const message = new RegExp(
        [
          'no nats-server 2\\.14\\.4 or newer',
          'NATS_SERVER_BIN: not set',
          'PATH: .*/bin/nats-server is version 2\\.9\\.10',
          'cache .*: no nats-server',
          'Debian package: this machine uses no Debian mirror',
          'release .* from GitHub: .* not offered for aix',
          'set NATS_SERVER_BIN',
        ].join('[^]*'),
      )
      await assert.rejects(locate({ PATH: '~/bin' }), toolMissing(message))
    })
  })
})
