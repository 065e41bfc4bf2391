import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startChild } from '../../../src/dev/child-process.ts'

const MODULE = path.resolve(import.meta.dirname, '../../../src/dev/child-process.ts')
const FOREVER = 'setInterval(() => {}, 1000)'

/** A process that has one child and one private directory, and then does what `then` says. */
async function startOwner(then: string) {
  const script = `
    import { privateDirectory, startChild } from ${JSON.stringify(MODULE)}
    const directory = privateDirectory('owner-test')
    const child = await startChild(process.execPath, ['-e', ${JSON.stringify(FOREVER)}])
    process.stdout.write(JSON.stringify({ child: child.pid, directory: directory.path }) + '\\n')
    ${then}`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(owner, 'exit')
  const [line] = (await once(createInterface(owner.stdout), 'line')) as [string]
  return { owner, ended, ...(JSON.parse(line) as { child: number; directory: string }) }
}

/** An ended process whose new parent has not collected it yet is not alive. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function eventually(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('did not become true in 10 s')
    await delay(10)
  }
}

suite('a child of this process', () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    test(`ends when its owner gets ${signal}, with the files of the owner`, async () => {
      const { owner, ended, child, directory } = await startOwner('')
      owner.kill(signal)
      assert.deepEqual(await ended, [null, signal])
      await eventually(() => !isAlive(child))
      assert.equal(existsSync(directory), false)
    })
  }

  test('ends when its owner dies of an uncaught error', async () => {
    const { ended, child, directory } = await startOwner(`setImmediate(() => { throw new Error('a bug') })`)
    assert.deepEqual(await ended, [1, null])
    await eventually(() => !isAlive(child))
    assert.equal(existsSync(directory), false)
  })

  test('outlives a signal that the owner handles by itself', async () => {
    const then = `process.once('SIGTERM', async () => {
      const before = child.hasExited()
      await child.stop()
      process.exit(before ? 1 : 42)
    })`
    const { owner, ended } = await startOwner(then)
    owner.kill('SIGTERM')
    assert.deepEqual(await ended, [42, null])
  })

  test('ends under Linux even when its owner is killed', { skip: process.platform !== 'linux' }, async () => {
    const { owner, ended, child, directory } = await startOwner('')
    owner.kill('SIGKILL')
    await ended
    await eventually(() => !isAlive(child))
    rmSync(directory, { recursive: true })
  })

  test('can be stopped while it is suspended', async () => {
    const child = await startChild(process.execPath, ['-e', FOREVER])
    child.signal('SIGSTOP')
    await child.stop()
    assert.deepEqual(await child.exited, { code: null, signal: 'SIGTERM' })
  })

  test('has its output kept', async () => {
    await using child = await startChild(process.execPath, ['-e', `console.log('out'); console.error('err')`])
    await child.exited
    assert.deepEqual(child.log().trim().split('\n').toSorted(), ['err', 'out'])
  })
})
