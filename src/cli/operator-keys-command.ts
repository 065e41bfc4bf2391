import { basename, join } from 'node:path'
import type { KeyPair } from '@nats-io/nkeys'
import { EXIT, usageFailure, type CliIo } from './io.ts'
import { seedOf } from './keys-command.ts'
import { writeKeys } from './keys-output.ts'
import {
  createOperatorKeys,
  encodeOperatorSetup,
  operatorServerConfig,
  problemOfAccountNames,
  type OperatorJwts,
  type OperatorKeys,
} from './operator-setup.ts'
import type { OutputFormat } from './output.ts'
import { writeSecretFiles, type SecretFilesOptions } from './secret-files.ts'

export interface OperatorKeysOptions extends SecretFilesOptions {
  /** Names of the accounts of clients, separated by commas. */
  readonly accounts?: string
  readonly output: OutputFormat
}

/** What `nats-server.operator.conf` includes. */
export const SERVER_JWTS_FILE = 'nats-server.jwts.conf'
const DEFAULT_ACCOUNTS = 'APP,OPS'

/**
 * `callout keys generate --operator`: writes everything that a nats-server in operator mode and the service need, as
 * `writeSecretFiles` does. Prints public keys, file names and the lines of the two configurations, never a secret.
 */
export async function generateOperatorKeys(options: OperatorKeysOptions, io: CliIo): Promise<number> {
  const names = (options.accounts ?? DEFAULT_ACCOUNTS).split(',').map((name) => name.trim())
  const problem = problemOfAccountNames(names)
  if (problem !== undefined) throw usageFailure(`--accounts: ${problem}`)
  const keys = createOperatorKeys(names)
  const files = await writeSecretFiles(options, filesOf(keys, await encodeOperatorSetup(keys)), io)
  const publicKeys = {
    operator: keys.operator.getPublicKey(),
    system_account: keys.systemAccount.getPublicKey(),
    issuer_account: keys.calloutAccount.getPublicKey(),
    issuer: keys.issuer.getPublicKey(),
    xkey: keys.xkey.getPublicKey(),
    accounts: Object.fromEntries([...keys.accounts].map(([name, { identity }]) => [name, identity.getPublicKey()])),
  }
  writeKeys(io, options, { publicKeys, files, text: `${report(options.dir, keys)}\n` })
  return EXIT.ok
}

/** The lines of `callout.yaml` that operator mode needs; `dir` is the folder of the files, as the configuration names it. */
export function operatorCalloutYaml(dir: string, keys: Pick<OperatorKeys, 'calloutAccount' | 'accounts'>): string {
  const path = (name: string): string => JSON.stringify(join(dir, name))
  return [
    'callout:',
    `  issuer_seed_files: [${path('issuer.nk')}]`,
    `  issuer_account: ${keys.calloutAccount.getPublicKey()}`,
    `  xkey_seed_files: [${path('xkey.nk')}]`,
    '  accounts:',
    ...[...keys.accounts].flatMap(([name, { identity }]) => [
      `    ${JSON.stringify(name)}:`,
      `      public_key: ${identity.getPublicKey()}`,
      `      signing_key_seed_file: ${path(accountFile(name))}`,
    ]),
  ].join('\n')
}

function filesOf(keys: OperatorKeys, jwts: OperatorJwts): Readonly<Record<string, string>> {
  const forAccounts = (file: (name: string) => string, pick: 'signing' | 'identity'): Record<string, string> =>
    Object.fromEntries([...keys.accounts].map(([name, pairs]) => [file(name), seedOf(pairs[pick])]))
  const offline = (name: string, pair: KeyPair): Record<string, string> => ({ [join('offline', name)]: seedOf(pair) })
  return {
    'issuer.nk': seedOf(keys.issuer),
    'xkey.nk': seedOf(keys.xkey),
    ...forAccounts(accountFile, 'signing'),
    'service.creds': jwts.serviceCreds,
    'service-system.creds': jwts.serviceSystemCreds,
    'sys.creds': jwts.systemCreds,
    'sentinel.creds': jwts.sentinelCreds,
    [SERVER_JWTS_FILE]: operatorServerConfig(keys, jwts),
    ...offline('operator.nk', keys.operator),
    ...offline('operator-signing.nk', keys.operatorSigning),
    ...offline('system-account.nk', keys.systemAccount),
    ...offline('callout-account.nk', keys.calloutAccount),
    ...forAccounts((name) => join('offline', accountFile(name)), 'identity'),
  }
}

function accountFile(name: string): string {
  return `account-${name}.nk`
}

function report(dir: string, keys: OperatorKeys): string {
  const include = join(dir, SERVER_JWTS_FILE)
  return [
    '# Line of nats-server.operator.conf, the reference file of this project. The path is relative to that file.',
    `include ${include.startsWith('/') ? include : `./${include}`}`,
    '',
    '# Lines of callout.yaml. Paths are relative to that file.',
    'nats:',
    '  servers: [nats://127.0.0.1:4222]',
    `  creds_file: ${JSON.stringify(join(dir, 'service.creds'))}`,
    `  system: { creds_file: ${JSON.stringify(join(dir, 'service-system.creds'))} }`,
    operatorCalloutYaml(dir, keys),
    '',
    `# Move ${join(dir, 'offline')} to a safe place: with it accounts and keys are added and removed, and nothing running needs it.`,
    `# Give ${basename('sentinel.creds')} to clients of servers without default_sentinel. Public keys:`,
    `#   operator        ${keys.operator.getPublicKey()}`,
    `#   system account  ${keys.systemAccount.getPublicKey()}`,
    `#   xkey            ${keys.xkey.getPublicKey()}`,
  ].join('\n')
}
