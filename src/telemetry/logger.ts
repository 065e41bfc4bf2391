import { destination, pino, stdTimeFunctions } from 'pino'
import type { DestinationStream, Logger } from 'pino'
import { cleanLine } from './log-line.ts'
import { withoutSecrets } from './secret-names.ts'

export type { Logger } from 'pino'

export interface LoggerOptions {
  /** Least severe level written. */
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  /** On every line, such as the id of the instance. */
  readonly fields?: Readonly<Record<string, string>>
  /** Standard output when absent. */
  readonly stream?: DestinationStream
  /** A line was lost because nobody reads the output, or because it could not be written. */
  readonly onDropped?: () => void
}

/** Some 8,000 decisions: room for a reader that pauses for seconds, not for one that has stopped. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024

/**
 * Writes one line of JSON per event, without waiting for the reader: a log that blocks would hold every client. What is
 * not read in time is dropped and reported. Secrets are kept out by the callers; by name and by shape, the logger
 * removes those that slipped through.
 */
export function createLogger(options: LoggerOptions): Logger {
  const stream = options.stream ?? standardOutput(options.onDropped)
  return pino(
    {
      level: options.level,
      base: options.fields ?? {},
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => withoutSecrets(fields) },
      hooks: { streamWrite: cleanLine },
    },
    stream,
  )
}

function standardOutput(onDropped?: () => void): DestinationStream {
  const stream = destination({ fd: 1, sync: false, maxLength: WAITING_BYTES_MAX })
  stream.on('drop', () => onDropped?.())
  // Without a listener a full disk would end the process.
  stream.on('error', () => onDropped?.())
  return stream
}
