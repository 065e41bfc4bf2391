import { randomBytes } from 'node:crypto'
import { lstat, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createAccount, createCurve, type KeyPair } from '@nats-io/nkeys'
import { CommandFailure, EXIT, type CliIo } from './io.ts'
import { writeJson, type OutputFormat } from './table.ts'

export interface KeysOptions {
  readonly dir: string
  readonly force?: boolean
  readonly output: OutputFormat
}

/** What `nats-server.conf` includes; it defines the four variables that the file uses. */
const SERVER_FILE = 'nats-server.keys.conf'
/** As strong as the nkeys beside them. Written in base64url they hold nothing that ends a quoted string. */
const PASSWORD_BYTES = 32

const OTHERS = 0o077

/**
 * `callout keys generate`: writes issuer, xkey and the passwords of the two static users, and the file with which
 * `nats-server.conf` takes them. All files get mode 0600. Nothing is written when one is there already, unless forced:
 * a lost issuer seed locks every client out. Prints public keys and file names, never a secret.
 */
export async function generateKeys(options: KeysOptions, io: CliIo): Promise<number> {
  const { dir, force = false } = options
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
  await mkdir(dir, { recursive: true, mode: 0o700 })
  if (((await stat(dir)).mode & OTHERS) !== 0) {
    io.stderr.write(`callout: warning: others may enter the folder ${dir} (chmod 700)\n`)
  }
  if (!force) await refuseExisting(dir, Object.keys(files))
  for (const [name, content] of Object.entries(files))
    await writeSecret(join(dir, name), `${content.trimEnd()}\n`, force)
  report(options, io, Object.keys(files), { issuer: issuer.getPublicKey(), xkey: xkey.getPublicKey() })
  return EXIT.ok
}

async function refuseExisting(dir: string, names: readonly string[]): Promise<void> {
  const existing: string[] = []
  for (const name of names) {
    const path = join(dir, name)
    if (await exists(path)) existing.push(path)
  }
  if (existing.length === 0) return
  const lines = existing.map((path) => `${path} exists already; nothing was written`)
  throw new CommandFailure(EXIT.conflict, [...lines, 'choose another --dir, or replace all of them with --force'])
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

/** Never through a file that is there: another user may have put a link or a readable file in its place. */
async function writeSecret(path: string, content: string, force: boolean): Promise<void> {
  if (!force) return writeFile(path, content, { mode: 0o600, flag: 'wx' })
  const fresh = `${path}.new`
  await rm(fresh, { force: true })
  await writeFile(fresh, content, { mode: 0o600, flag: 'wx' })
  await rename(fresh, path)
}

function serverVariables(variables: Readonly<Record<string, string>>): string {
  const lines = Object.entries(variables).map(([name, value]) => `${name} = "${value}"`)
  return ['# Included by nats-server.conf. Secret: read by nats-server only.', ...lines].join('\n')
}

function seedOf(pair: KeyPair): string {
  return new TextDecoder().decode(pair.getSeed())
}

function newPassword(): string {
  return randomBytes(PASSWORD_BYTES).toString('base64url')
}

function report(
  { dir, output }: KeysOptions,
  io: CliIo,
  names: readonly string[],
  publicKeys: { readonly issuer: string; readonly xkey: string },
): void {
  const files = names.map((name) => join(dir, name))
  if (output === 'json') return writeJson(io, { ...publicKeys, files })
  for (const file of files) io.stderr.write(`wrote ${file}\n`)
  const include = join(dir, SERVER_FILE)
  io.stdout.write(
    [
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
  )
}
