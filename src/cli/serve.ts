import { once } from 'node:events'
import { hostname } from 'node:os'
import { systemClock } from '../service/clock.ts'
import { createLogger } from '../telemetry/logger.ts'
import { createMetrics } from '../telemetry/metrics.ts'
import { newInstanceId, startCallout, type CalloutService } from './compose.ts'
import { loadConfig, loadConfigSecrets } from './configuration.ts'
import { EXIT, emulatorHostOf, type CliIo } from './io.ts'
import { SERVICE_VERSION } from './version.ts'

/** Draining takes at most one deadline and closing some hundred milliseconds; after this long something hangs. */
const STOP_WITHIN_MS = 10_000

/** Under npm one Ctrl-C arrives twice, from the terminal and from npm; nobody repeats a signal so soon and means it. */
const SAME_SIGNAL_MS = 500

/**
 * `callout serve`: runs the service until SIGTERM or SIGINT, then drains: leaves the queue group, finishes, records and
 * answers what is in flight, and returns 0. A second signal ends the process at once. Returns 1 when the connection to
 * nats-server ended for good by itself.
 */
export async function serve({ configFile }: { readonly configFile: string }, io: CliIo): Promise<number> {
  const config = await loadConfig(configFile)
  const secrets = await loadConfigSecrets(configFile, config, io)
  const instanceId = newInstanceId()
  const metrics = createMetrics({ version: SERVICE_VERSION })
  const logger = createLogger({
    level: config.log.level,
    fields: { instanceId, host: hostname() },
    onDropped: () => metrics.logLinesDropped.inc(),
  })
  const stopping = new AbortController()
  let signalledMs = Number.NEGATIVE_INFINITY
  const stop = (signal: NodeJS.Signals): void => {
    const nowMs = systemClock.monotonicMs()
    if (nowMs - signalledMs < SAME_SIGNAL_MS) return
    if (stopping.signal.aborted) process.kill(process.pid, 'SIGKILL')
    signalledMs = nowMs
    logger.info({ event: 'stopping', signal }, 'draining')
    stopping.abort()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  try {
    logger.info({ event: 'starting', version: SERVICE_VERSION }, 'callout is starting')
    const options = { config, secrets, logger, metrics, instanceId, signal: stopping.signal }
    const service = await started({ ...options, emulatorHost: emulatorHostOf(io) })
    if (service === undefined) return EXIT.ok
    logger.info({ event: 'started', http: service.httpUrl }, 'callout is serving')
    const code = await ended(service, stopping.signal)
    await stopped(service)
    logger.info({ event: 'stopped' }, 'callout has stopped')
    return code
  } finally {
    process.off('SIGTERM', stop)
    process.off('SIGINT', stop)
  }
}

async function started(options: Parameters<typeof startCallout>[0]): Promise<CalloutService | undefined> {
  try {
    return await startCallout(options)
  } catch (error) {
    if (options.signal.aborted) return undefined
    throw error
  }
}

async function ended(service: CalloutService, signal: AbortSignal): Promise<number> {
  if (signal.aborted) return EXIT.ok
  const stop = once(signal, 'abort').then(() => EXIT.ok)
  return Promise.race([stop, service.ended.then(() => (signal.aborted ? EXIT.ok : EXIT.failure))])
}

async function stopped(service: CalloutService): Promise<void> {
  const hanging = setTimeout(() => process.kill(process.pid, 'SIGKILL'), STOP_WITHIN_MS).unref()
  await service[Symbol.asyncDispose]()
  clearTimeout(hanging)
}
