import path from 'node:path'
import type { CliIo } from '../cli/io.ts'
import { generateKeys } from '../cli/keys-command.ts'
import { generateOperatorKeys, SERVER_JWTS_FILE } from '../cli/operator-keys-command.ts'
import { KEYS_CONFIG_FILE, REFERENCE_CONFIG_FILE } from './reference-nats-server.ts'

/** The reference configuration for operator mode. */
export const OPERATOR_CONFIG_FILE = path.resolve(import.meta.dirname, '../../nats-server.operator.conf')

/** The file that it includes, relative to it. */
export const JWTS_CONFIG_FILE = `secrets/${SERVER_JWTS_FILE}`

/** The user that clients are until the service has answered, for those that have to say so themselves. */
export const SENTINEL_CREDS_FILE = 'secrets/sentinel.creds'

/** Where the default configuration expects nats-server. */
const USUAL_SERVER = 'nats://127.0.0.1:4222'

/** What a local stack needs to know of one of the two modes of nats-server; its keys are made. */
export interface NatsMode {
  /** The reference configuration. */
  readonly configFile: string
  /** What it includes, relative to it and to the folder of the stack. */
  readonly includedFile: string
  /** The sections `nats` and `callout` of `callout.yaml`. */
  calloutYaml(natsUrl: string): string
}

/** Makes the keys in the folder `secrets` of `directory`. */
export async function serverConfigurationMode(directory: string): Promise<NatsMode> {
  await generateKeys(
    { dir: path.join(directory, 'secrets'), output: 'table' },
    silentIo(() => {}),
  )
  return {
    configFile: REFERENCE_CONFIG_FILE,
    includedFile: KEYS_CONFIG_FILE,
    calloutYaml: (natsUrl) => `nats: { servers: ['${natsUrl}'], user: auth, password_file: secrets/auth.password }
callout:
  issuer_seed_files: [secrets/issuer.nk]
  xkey_seed_files: [secrets/xkey.nk]
  accounts: { APP: {}, OPS: {} }`,
  }
}

/** Makes the keys in the folder `secrets` of `directory`, and takes the lines that the command prints for `callout.yaml`. */
export async function operatorMode(directory: string): Promise<NatsMode> {
  let printed = ''
  const io = silentIo((text) => void (printed += text))
  await generateOperatorKeys({ dir: path.join(directory, 'secrets'), output: 'table' }, io)
  const lines = printed.slice(printed.indexOf('nats:\n'))
  return {
    configFile: OPERATOR_CONFIG_FILE,
    includedFile: JWTS_CONFIG_FILE,
    calloutYaml: (natsUrl) => lines.replace(USUAL_SERVER, natsUrl).trimEnd(),
  }
}

function silentIo(write: (text: string) => void): CliIo {
  return { stdout: { write }, stderr: { write() {} }, env: {} }
}
