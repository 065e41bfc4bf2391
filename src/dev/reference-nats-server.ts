import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { startNatsServer } from './nats-server.ts'
import type { NatsServer, NatsServerOptions } from './nats-server.ts'

/** The reference configuration of the project. */
export const REFERENCE_CONFIG_FILE = path.resolve(import.meta.dirname, '../../nats-server.conf')

/** The file that the reference configuration includes, relative to it. */
export const KEYS_CONFIG_FILE = 'secrets/nats-server.keys.conf'

/** The variables that the included file must define. */
export interface NatsServerKeys {
  /** Public account key, `A…`. */
  readonly CALLOUT_ISSUER: string
  /** Public curve key, `X…`. */
  readonly CALLOUT_XKEY: string
  readonly CALLOUT_AUTH_PASSWORD: string
  readonly CALLOUT_SYS_PASSWORD: string
}

/** Starts nats-server with the reference configuration as it stands, on free ports. */
export async function startReferenceNatsServer(
  keys: NatsServerKeys,
  options: Omit<NatsServerOptions, 'config' | 'includes'> = {},
): Promise<NatsServer> {
  const config = await readFile(REFERENCE_CONFIG_FILE, 'utf8')
  return startNatsServer({ ...options, config, includes: { [KEYS_CONFIG_FILE]: keysConfig(keys) } })
}

/**
 * The text of the included file. Quotes keep the server from reading a password of digits as a number.
 * A value with a quote, a backslash or a line break would end the string early; passwords of `keys generate` have none.
 */
export function keysConfig(keys: NatsServerKeys): string {
  const lines = Object.entries(keys).map(([name, value]) => {
    if (/["\\\r\n]/.test(value)) throw new Error(`${name} holds a character that ends a string`)
    return `${name} = "${value}"\n`
  })
  return lines.join('')
}
