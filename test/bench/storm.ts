import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { runLoad } from './load.ts'
import type { Attempt, Load, LoadResult } from './load.ts'

/** Load comes from a process of its own, so that its processor time is not counted as that of the parts under test. */
interface Orders {
  readonly task: object
  readonly warmUp: Load
  readonly load: Load
}

/** Preparing thousands of requests, the warm-up and the load together. */
const STORM_TIMEOUT_MS = 90_000

/**
 * Starts the storm of `file`, lets it warm everything up, calls `begin`, and returns what the load came to.
 * Compilers settle during the warm-up: the first thousand decisions of a process cost a multiple of the later ones.
 */
export async function runStorm(file: string, orders: Orders, begin: () => Promise<void>): Promise<LoadResult> {
  const child = fork(file, { signal: AbortSignal.timeout(STORM_TIMEOUT_MS), killSignal: 'SIGKILL' })
  try {
    child.send(orders)
    const warmedUp = (await answer(child)) as LoadResult
    if (warmedUp.admitted === 0) throw new Error(`not one of ${warmedUp.attempts} attempts was admitted`)
    await begin()
    child.send('go')
    return (await answer(child)) as LoadResult
  } finally {
    child.kill('SIGKILL')
  }
}

async function answer(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController()
  const exit = once(child, 'exit', { signal: ended.signal }).then(([code]) => {
    throw new Error(`the storm ended early with code ${String(code)}`)
  })
  try {
    const [message] = (await Promise.race([once(child, 'message', { signal: ended.signal }), exit])) as [unknown]
    return message
  } finally {
    ended.abort()
    exit.catch(() => {})
  }
}

/** The other side: called by the program of a storm, with what makes its attempts out of its task, at most so many. */
export async function serveStorm(prepare: (task: object, attempts: number) => Promise<Attempt>): Promise<void> {
  const send = (result: LoadResult): void => void process.send?.(result)
  process.once('disconnect', () => process.exit())
  const [orders] = (await once(process, 'message')) as [Orders]
  const attempt = await prepare(orders.task, orders.warmUp.count + orders.load.count)
  send(await runLoad(orders.warmUp, attempt))
  await once(process, 'message')
  send(await runLoad(orders.load, attempt))
}
