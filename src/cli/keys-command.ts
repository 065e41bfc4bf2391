import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { createAccount, createCurve, type KeyPair } from '@nats-io/nkeys'
import { EXIT, type CliIo } from './io.ts'
import { writeKeys, type MadeKeys } from './keys-output.ts'
import { writeSecretFiles, type SecretFilesOptions } from './secret-files.ts'
import type { OutputFormat } from './output.ts'

export interface KeysOptions extends SecretFilesOptions {
  readonly output: OutputFormat
}

/** What `nats-server.conf` includes; it defines the four variables that the file uses. */
const SERVER_FILE = 'nats-server.keys.conf'
/** As strong as the nkeys beside them. Written in base64url they hold nothing that ends a quoted string. */
const PASSWORD_BYTES = 32

/**
 * `callout keys generate`: writes issuer, xkey and the passwords of the two static users, and the file with which
 * `nats-server.conf` takes them. All files get mode 0600. Nothing is written when one is there already, unless forced:
 * a lost issuer seed locks every client out. Prints public keys and file names, never a secret.
 */
export async function generateKeys(options: KeysOptions, io: CliIo): Promise<number> {
  const issuer = createAccount()
  const xkey = createCurve()
  const [authPassword, sysPassword] = [newPassword(), newPassword()]
  const files: Readonly<Record<string, string>> = {
    'issuer.nk': seedOf(issuer),
    'xkey.nk': seedOf(xkey),
    'auth.password': authPassword,
    'sys.password': sysPassword,
    [SERVER_FILE]: serverVariables({
      CALLOUT_ISSUER: issuer.getPublicKey(),
      CALLOUT_XKEY: xkey.getPublicKey(),
      CALLOUT_AUTH_PASSWORD: authPassword,
      CALLOUT_SYS_PASSWORD: sysPassword,
    }),
  }
  const written = await writeSecretFiles(options, files, io)
  writeKeys(io, options, made(options.dir, written, { issuer: issuer.getPublicKey(), xkey: xkey.getPublicKey() }))
  return EXIT.ok
}

function serverVariables(variables: Readonly<Record<string, string>>): string {
  const lines = Object.entries(variables).map(([name, value]) => `${name} = "${value}"`)
  return ['# Included by nats-server.conf. Secret: read by nats-server only.', ...lines].join('\n')
}

export function seedOf(pair: KeyPair): string {
  return new TextDecoder().decode(pair.getSeed())
}

function newPassword(): string {
  return randomBytes(PASSWORD_BYTES).toString('base64url')
}

function made(
  dir: string,
  files: readonly string[],
  publicKeys: { readonly issuer: string; readonly xkey: string },
): MadeKeys {
  const include = join(dir, SERVER_FILE)
  return {
    publicKeys,
    files,
    text: [
      '# Lines of nats-server.conf, as the reference file of this project has them. The path is relative to that file.',
      `include ${include.startsWith('/') ? include : `./${include}`}`,
      '',
      '# The included file defines, beside the passwords of the users auth and sys:',
      `#   CALLOUT_ISSUER = "${publicKeys.issuer}"`,
      `#   CALLOUT_XKEY = "${publicKeys.xkey}"`,
      '',
      'authorization {',
      '  auth_callout {',
      '    issuer: $CALLOUT_ISSUER',
      '    account: AUTH',
      '    auth_users: [auth, sys]',
      '    xkey: $CALLOUT_XKEY',
      '    allowed_accounts: [APP, OPS]  # the accounts of your clients',
      '  }',
      '}',
      '',
    ].join('\n'),
  }
}
