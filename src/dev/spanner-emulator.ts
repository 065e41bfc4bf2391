import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { lastLines, runCommand, startChild } from './child-process.ts'
import type { ChildProcess } from './child-process.ts'
import { freePort } from './free-port.ts'
import { locateSpannerEmulator } from './locate-spanner-emulator.ts'
import type { SpannerEmulatorSource } from './locate-spanner-emulator.ts'

/** The image for Docker. Newer ones up to 1.5.52 give two values for one DEFAULT (CURRENT_TIMESTAMP()), emulator issue 295. */
export const SPANNER_EMULATOR_IMAGE = 'gcr.io/cloud-spanner-emulator/emulator:1.5.41'
/** Where the emulator listens inside the container. */
const IMAGE_PORT = 9010

/** The program is ready within some 20 ms; an image may have to be fetched first. */
const READY_TIMEOUT_MS = 15_000
const IMAGE_READY_TIMEOUT_MS = 180_000
const POLL_MS = 5
const COMMAND_TIMEOUT_MS = 10_000
/** Another process may take the port between the probe and the emulator's own listen. */
const PORT_ATTEMPTS_MAX = 5

export interface SpannerEmulatorOptions {
  /** Located (see `locateSpannerEmulator`) when absent. */
  readonly source?: SpannerEmulatorSource
  /** Makes the emulator abort about one commit in twenty, as a busy Spanner does. Not with an `address`. */
  readonly faultInjection?: boolean
}

/** A Spanner emulator on 127.0.0.1 with a port that stays the same over restarts. It keeps everything in memory. */
export interface SpannerEmulator extends AsyncDisposable {
  /** `127.0.0.1:<port>`, for `SPANNER_EMULATOR_HOST` or `emulatorHost` */
  readonly host: string
  /** Of the running process, another one after `restart()`; undefined when the emulator is not ours (an `address`). */
  readonly pid: number | undefined
  signal(signal: NodeJS.Signals): void
  /** Ends the process when it still runs and starts a new, empty one on the same port. */
  restart(): Promise<void>
  /** Ends the process. Idempotent; does nothing to an emulator that is not ours. */
  stop(): Promise<void>
}

/**
 * Starts a real Cloud Spanner emulator and returns when it answers; or uses the one of `SPANNER_EMULATOR_HOST`. The process
 * ends with this one. Use a fresh emulator for each run: the clock of a used one runs ahead, and strong reads wait for it.
 * Throws an `Error` with the end of its log when it does not start.
 */
export async function startSpannerEmulator(options: SpannerEmulatorOptions = {}): Promise<SpannerEmulator> {
  const source = options.source ?? (await locateSpannerEmulator())
  if (source.kind === 'address') return foreignEmulator(source.host)
  const launch = (port: number): Promise<Running> => launchEmulator(source, port, options.faultInjection === true)
  const { running: first, port } = await launchOnFreePort(launch)
  let running = first
  const stop = (): Promise<void> => running.stop()
  return {
    host: `127.0.0.1:${port}`,
    get pid() {
      return running.pid
    },
    signal: (signal) => running.signal(signal),
    async restart() {
      await running.stop()
      running = await launch(port)
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

interface Running {
  readonly pid: number
  signal(signal: NodeJS.Signals): void
  stop(): Promise<void>
}

function foreignEmulator(host: string): SpannerEmulator {
  const notOurs = (): never => {
    throw new Error('the emulator of SPANNER_EMULATOR_HOST is not ours to signal or restart')
  }
  const stop = async (): Promise<void> => {}
  return { host, pid: undefined, signal: notOurs, restart: async () => notOurs(), stop, [Symbol.asyncDispose]: stop }
}

async function launchOnFreePort(
  launch: (port: number) => Promise<Running>,
): Promise<{ running: Running; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    try {
      return { running: await launch(port), port }
    } catch (error) {
      const lostRace = /address already in use|port is already allocated/i.test((error as Error).message)
      if (!lostRace || attempt === PORT_ATTEMPTS_MAX) throw error
    }
  }
}

async function launchEmulator(
  source: Exclude<SpannerEmulatorSource, { kind: 'address' }>,
  port: number,
  faultInjection: boolean,
): Promise<Running> {
  const flags = faultInjection ? ['--enable_fault_injection'] : []
  if (source.kind === 'binary') {
    const child = await startChild(source.path, ['--host_port', `127.0.0.1:${port}`, ...flags])
    await untilListening(child, port, READY_TIMEOUT_MS)
    return child
  }
  const name = `callout-spanner-${randomBytes(6).toString('hex')}`
  const command = ['./emulator_main', '--host_port', `0.0.0.0:${IMAGE_PORT}`, ...flags]
  const publish = `127.0.0.1:${port}:${IMAGE_PORT}`
  const child = await startChild('docker', [
    'run',
    '--rm',
    '--name',
    name,
    '-p',
    publish,
    SPANNER_EMULATOR_IMAGE,
    ...command,
  ])
  await untilListening(child, port, IMAGE_READY_TIMEOUT_MS)
  const kill = (signal: string): Promise<string> =>
    runCommand('docker', ['kill', '--signal', signal, name], { timeoutMs: COMMAND_TIMEOUT_MS })
  return {
    pid: child.pid,
    signal: (signal) => void kill(signal).catch(() => child.signal('SIGTERM')),
    async stop() {
      await kill('SIGKILL').catch(() => {})
      await child.stop()
    },
  }
}

async function untilListening(child: ChildProcess, port: number, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await accepts(port))) {
    if (child.hasExited() || performance.now() > deadline) {
      await child.stop()
      throw new Error(`the Spanner emulator did not start; the end of its log:\n${lastLines(child.log(), 10)}`)
    }
    await delay(POLL_MS)
  }
  if (child.hasExited()) throw new Error('the Spanner emulator ended: address already in use')
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
