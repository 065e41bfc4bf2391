import { readdirSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { lastLines, privateDirectory, startChild } from './child-process.ts'
import type { ChildProcess } from './child-process.ts'
import { freePort } from './free-port.ts'
import { locateNatsServer } from './locate-nats-server.ts'

/** The server is ready within some 30 ms; a machine under heavy load gets its time. */
const READY_TIMEOUT_MS = 15_000
const POLL_MS = 10

/** Another process may take the port between the probe and the server's own listen; that is rare, and rarer in a row. */
const MAX_PORT_ATTEMPTS = 5

export interface NatsServerOptions {
  /**
   * Text of the configuration. Its client address and its monitoring port are overridden; a monitoring host that it names
   * counts, for which nats-server has no flag.
   */
  readonly config: string
  /** The binary; located (see `locateNatsServer`) when absent. */
  readonly path?: string
  /** For `$NAME` references of the configuration; added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** Files that the configuration includes: path relative to the configuration → text. Folders that it names start there too. */
  readonly includes?: Readonly<Record<string, string>>
  /** Writes debug lines to the log. */
  readonly debug?: boolean
}

/** A real nats-server on 127.0.0.1 with a port that stays the same over restarts. */
export interface NatsServer extends AsyncDisposable {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string
  readonly port: number
  /** Base of `/varz`, `/connz`, `/healthz`, … */
  readonly monitorUrl: string
  /** Of the running process; another one after `restart()`. */
  readonly pid: number
  /** The configuration in force; rewrite it and send SIGHUP for a reload. */
  readonly configFile: string
  /** The newest part of what the running process wrote. */
  log(): string
  signal(signal: NodeJS.Signals): void
  /** Ends the process when it still runs and starts a new one on the same ports; returns when it is ready. */
  restart(): Promise<void>
  /** Ends the process and removes its directory. Idempotent. */
  stop(): Promise<void>
}

/**
 * Starts a real nats-server in a private temporary directory and returns when it accepts connections.
 * Throws an `Error` that ends with the last lines of its log when it does not start (a mistake in the configuration).
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const binary = path.resolve(options.path ?? (await locateNatsServer()).path)
  const directory = privateDirectory('callout-nats')
  try {
    const configFile = path.join(directory.path, 'nats-server.conf')
    await writeFile(configFile, options.config, { mode: 0o600 })
    for (const [name, text] of Object.entries(options.includes ?? {})) {
      const file = path.join(directory.path, name)
      await mkdir(path.dirname(file), { recursive: true })
      await writeFile(file, text, { mode: 0o600 })
    }
    const launch = (port: number, monitorPort: number): Promise<ChildProcess> =>
      launchServer(binary, configFile, port, monitorPort, options)
    const { child, port, monitorPort } = await launchOnFreePorts(launch)
    return runningServer(child, port, monitorPort, configFile, launch, () => directory.remove())
  } catch (error) {
    directory.remove()
    throw error
  }
}

type Launch = (port: number, monitorPort: number) => Promise<ChildProcess>

function runningServer(
  first: ChildProcess,
  port: number,
  monitorPort: number,
  configFile: string,
  launch: Launch,
  removeDirectory: () => void,
): NatsServer {
  let child = first
  const stop = async (): Promise<void> => {
    await child.stop()
    removeDirectory()
  }
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    monitorUrl: `http://127.0.0.1:${monitorPort}`,
    get pid() {
      return child.pid
    },
    configFile,
    log: () => child.log(),
    signal: (signal) => child.signal(signal),
    async restart() {
      await child.stop()
      child = await launch(port, monitorPort)
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function launchOnFreePorts(launch: Launch): Promise<{ child: ChildProcess; port: number; monitorPort: number }> {
  for (let attempt = 1; ; attempt++) {
    const [port, monitorPort] = [await freePort(), await freePort()]
    try {
      return { child: await launch(port, monitorPort), port, monitorPort }
    } catch (error) {
      const lostRace = /address already in use/.test((error as Error).message)
      if (!lostRace || attempt === MAX_PORT_ATTEMPTS) throw error
    }
  }
}

async function launchServer(
  binary: string,
  configFile: string,
  port: number,
  monitorPort: number,
  options: NatsServerOptions,
): Promise<ChildProcess> {
  const directory = path.dirname(configFile)
  const listen = ['-a', '127.0.0.1', '-p', String(port), '-m', String(monitorPort), '--ports_file_dir', directory]
  const args = ['-c', configFile, ...listen, ...(options.debug === true ? ['-D'] : [])]
  const child = await startChild(binary, args, { cwd: directory, env: { ...process.env, ...options.env } })
  // The server writes this file once all its listeners are up; its name holds the pid, so it is not a rival's.
  const isReady = (): boolean => readdirSync(directory).some((name) => name.endsWith(`_${child.pid}.ports`))
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (!isReady()) {
    if (child.hasExited() || performance.now() > deadline) {
      await child.stop()
      throw new Error(`nats-server did not start; the end of its log:\n${lastLines(child.log(), 10)}`)
    }
    await delay(POLL_MS)
  }
  return child
}
