import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

/** Enough for the reason of a failed start; a long-lived noisy child must not grow our memory. */
const MAX_LOG_CHARACTERS = 256 * 1024

/** A well-behaved server is gone well before; one that hangs is ended for good. */
const STOP_GRACE_MS = 5000

/** The output of one short command; a package list or a checksum file is far smaller. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const liveChildren = new Set<number>()
const privateDirectories = new Set<string>()
let guardInstalled = false

export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A server that runs as a child of this process. */
export interface ChildProcess extends AsyncDisposable {
  readonly pid: number
  /** Settles when the process has ended; never rejects. */
  readonly exited: Promise<ChildExit>
  hasExited(): boolean
  /** The newest part of stdout and stderr, as they came. */
  log(): string
  signal(signal: NodeJS.Signals): void
  /** SIGTERM (after a SIGCONT, so that a stopped process can obey), and SIGKILL when it does not end in time. */
  stop(): Promise<void>
}

/**
 * Starts a server as a child and returns when it has been started, not when it is ready.
 *
 * The child ends with this process: on exit, on an uncaught error and on SIGINT, SIGTERM and SIGHUP by our own hand
 * (by pid), and under Linux the kernel ends it even when this process is killed with SIGKILL. It is put in a process
 * group of its own, so that Ctrl-C in a terminal reaches this process alone and it can end its children in order.
 * Rejects when the program cannot be started.
 */
export async function startChild(
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): Promise<ChildProcess> {
  installGuard()
  const [command, ...wrapped] = [...parentDeathWrapper(), program, ...args]
  const child = spawn(command ?? program, wrapped, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...(options.env !== undefined && { env: options.env }),
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  })
  let log = ''
  const collect = (chunk: string): void => {
    log = (log + chunk).slice(-MAX_LOG_CHARACTERS)
  }
  child.stdout.setEncoding('utf8').on('data', collect)
  child.stderr.setEncoding('utf8').on('data', collect)
  await once(child, 'spawn')
  const { pid } = child
  if (pid === undefined) throw new Error(`${program} started without a process id`)
  liveChildren.add(pid)

  let ended = false
  const exited = new Promise<ChildExit>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  child.once('exit', () => {
    ended = true
    liveChildren.delete(pid)
  })

  const signal = (name: NodeJS.Signals): void => {
    if (!ended) child.kill(name)
  }
  const stop = async (): Promise<void> => {
    if (!ended) {
      signal('SIGTERM')
      signal('SIGCONT')
      const kill = setTimeout(() => signal('SIGKILL'), STOP_GRACE_MS)
      await exited
      clearTimeout(kill)
    }
    await exited
  }
  return { pid, exited, hasExited: () => ended, log: () => log, signal, stop, [Symbol.asyncDispose]: stop }
}

/** Runs a short command to its end and returns its standard output. The error of a failure ends with its output. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly timeoutMs: number },
): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, {
      encoding: 'utf8',
      maxBuffer: MAX_OUTPUT_BYTES,
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      ...(options.env !== undefined && { env: options.env }),
    })
    return stdout
  } catch (error) {
    const { stderr, killed } = error as { stderr?: string; killed?: boolean }
    const why = killed === true ? `no end within ${options.timeoutMs} ms` : lastLines(stderr ?? '', 5)
    throw new Error(`${program} failed: ${why === '' ? String(error) : why}`, { cause: error })
  }
}

/** A new directory under the system's temporary one that only this user can enter; removed when this process ends. */
export function privateDirectory(prefix: string): { readonly path: string; remove(): void } {
  installGuard()
  const directory = mkdtempSync(path.join(tmpdir(), `${prefix}-`))
  privateDirectories.add(directory)
  return {
    path: directory,
    remove() {
      privateDirectories.delete(directory)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n')
}

let deathWrapper: readonly string[] | undefined

/** `setpriv` of util-linux asks the kernel for the signal and becomes the program under the same pid; busybox has none. */
function parentDeathWrapper(): readonly string[] {
  if (deathWrapper === undefined) {
    const wrapper = ['setpriv', '--pdeathsig', 'KILL', '--']
    const works = process.platform === 'linux' && spawnSync('setpriv', [...wrapper.slice(1), 'true']).status === 0
    deathWrapper = works ? wrapper : []
  }
  return deathWrapper
}

function installGuard(): void {
  if (guardInstalled) return
  guardInstalled = true
  process.on('exit', endEverything)
  for (const name of ENDING_SIGNALS) {
    const onSignal = (): void => {
      if (process.listenerCount(name) > 1) return
      endEverything()
      process.off(name, onSignal)
      process.kill(process.pid, name)
    }
    process.on(name, onSignal)
  }
}

function endEverything(): void {
  for (const pid of liveChildren) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      liveChildren.delete(pid)
    }
  }
  for (const directory of privateDirectories) rmSync(directory, { recursive: true, force: true })
}
