import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import { locateSpannerEmulator } from '../../../src/dev/locate-spanner-emulator.ts'
import { createEmulatorDatabase } from '../../../src/dev/emulator-database.ts'
import { startSpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { inMs, openDatabase, startOwnEmulator, until } from '../../support/spanner.ts'

let directory: string

before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'callout-locate-'))
})

after(async () => {
  await rm(directory, { recursive: true })
})

async function program(...names: readonly string[]): Promise<string> {
  const file = path.join(directory, ...names)
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, '#!/bin/sh\n')
  await chmod(file, 0o755)
  return file
}

suite('locating the emulator', () => {
  test('the address in SPANNER_EMULATOR_HOST comes first', async () => {
    const onPath = path.dirname(await program('first', 'emulator_main'))
    const env = { SPANNER_EMULATOR_HOST: '127.0.0.1:9010', PATH: onPath }
    assert.deepEqual(await locateSpannerEmulator({ env }), { kind: 'address', host: '127.0.0.1:9010' })
  })

  test('then a program on PATH', async () => {
    const file = await program('second', 'emulator_main')
    const env = { PATH: `/nowhere:${path.dirname(file)}` }
    assert.deepEqual(await locateSpannerEmulator({ env, sdkDirectories: [] }), { kind: 'binary', path: file })
  })

  test('then the SDK that gcloud on PATH is a link into', async () => {
    const file = await program('sdk', 'bin', 'cloud_spanner_emulator', 'emulator_main')
    const gcloud = await program('sdk', 'bin', 'gcloud')
    const links = path.join(directory, 'links')
    await mkdir(links)
    await symlink(gcloud, path.join(links, 'gcloud'))
    assert.deepEqual(await locateSpannerEmulator({ env: { PATH: links }, sdkDirectories: [] }), {
      kind: 'binary',
      path: file,
    })
  })

  test('then an SDK in one of the usual places', async () => {
    const file = await program('usual', 'bin', 'cloud_spanner_emulator', 'emulator_main')
    const sdkDirectories = ['/nowhere', path.join(directory, 'usual')]
    assert.deepEqual(await locateSpannerEmulator({ env: { PATH: '' }, sdkDirectories }), { kind: 'binary', path: file })
  })

  test('then a Docker engine that answers', async () => {
    const env = { PATH: path.dirname(await program('docker-bin', 'docker')) }
    assert.deepEqual(await locateSpannerEmulator({ env, sdkDirectories: [] }), { kind: 'docker' })
  })

  test('otherwise it says what to install', async () => {
    await assert.rejects(locateSpannerEmulator({ env: { PATH: '' }, sdkDirectories: [] }), {
      code: 'ERR_TOOL_MISSING',
      message: /gcloud components install cloud-spanner-emulator/,
    })
  })
})

suite('running the emulator', () => {
  test('it answers as soon as it is started, and is gone when it is stopped', async () => {
    const emulator = await startOwnEmulator()
    const name = await createEmulatorDatabase(emulator.host)
    await using connection = openDatabase(emulator.host, name)
    await connection.database.query('SELECT 1', {}, inMs(5000))
    const { pid = 0 } = emulator
    await emulator.stop()
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  })

  test('it comes back empty on the same port', async () => {
    await using emulator = await startOwnEmulator()
    const { host, pid } = emulator
    await using connection = openDatabase(host, await createEmulatorDatabase(host))
    await connection.database.query('SELECT 1', {}, inMs(5000))
    await emulator.restart()
    assert.equal(emulator.host, host)
    assert.notEqual(emulator.pid, pid)
    await assert.rejects(connection.database.query('SELECT 1', {}, inMs(5000)), /not found/i)
  })

  test('an emulator that is not ours is used and never touched', async () => {
    await using own = await startOwnEmulator()
    const foreign = await startSpannerEmulator({ source: { kind: 'address', host: own.host } })
    assert.deepEqual([foreign.host, foreign.pid], [own.host, undefined])
    await assert.rejects(foreign.restart())
    await foreign.stop()
    await createEmulatorDatabase(own.host)
  })

  test('a program that does not start is reported with its output', async () => {
    const file = await program('broken', 'emulator_main')
    await writeFile(file, '#!/bin/sh\necho cannot start >&2\nexit 1\n')
    await assert.rejects(startSpannerEmulator({ source: { kind: 'binary', path: file } }), /cannot start/)
  })

  test('it ends with the process that started it, even when that one is killed', async () => {
    const script = `
      import { startSpannerEmulator } from ${JSON.stringify(new URL('../../../src/dev/spanner-emulator.ts', import.meta.url))}
      const emulator = await startSpannerEmulator()
      process.stdout.write(String(emulator.pid))
      process.kill(process.pid, 'SIGKILL')`
    const { SPANNER_EMULATOR_HOST: _foreign, ...env } = process.env
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], { env })
    const { stdout } = await run.catch((error: { stdout: string }) => error)
    const pid = Number(stdout)
    assert.ok(pid > 1)
    await until('the emulator ends', 5000, async () => {
      try {
        process.kill(pid, 0)
        return false
      } catch {
        return true
      }
    })
  })
})
