import { resolve } from 'node:path'
import { parseConfigYaml } from './config-yaml.ts'
import { FileReader } from './file-reader.ts'
import { writtenPath, type Problem } from './problem.ts'

type Check = (files: FileReader, path: string, name: string) => Promise<unknown>

/** Every setting that names a file, `*` for each entry of a list or map, and what the file must hold. */
const FILE_SETTINGS: readonly (readonly [path: readonly string[], check: Check])[] = [
  [['nats', 'password_file'], (files, path, name) => files.password(path, name)],
  [['nats', 'nkey_seed_file'], (files, path, name) => files.seed(path, name, 'SU')],
  [['nats', 'creds_file'], (files, path, name) => files.creds(path, name)],
  [['nats', 'tls', 'ca_file'], (files, path, name) => files.certificates(path, name)],
  [['nats', 'tls', 'cert_file'], (files, path, name) => files.certificates(path, name)],
  [['nats', 'tls', 'key_file'], (files, path, name) => files.privateKey(path, name)],
  [['nats', 'system', 'password_file'], (files, path, name) => files.password(path, name)],
  [['nats', 'system', 'creds_file'], (files, path, name) => files.creds(path, name)],
  [['callout', 'issuer_seed_files', '*'], (files, path, name) => files.seed(path, name, 'SA')],
  [['callout', 'xkey_seed_files', '*'], (files, path, name) => files.seed(path, name, 'SX')],
  [['callout', 'accounts', '*', 'signing_key_seed_file'], (files, path, name) => files.seed(path, name, 'SA')],
  [['audit', 'checkpoints', 'key_file'], (files, path, name) => files.noteKey(path, name)],
  [['issuers', '*', 'keys', 'jwks_file'], (files, path, name) => files.readable(path, name, KEY_SET_BYTES_MAX)],
  [['issuers', '*', 'introspection', 'client_secret_file'], (files, path, name) => files.clientSecret(path, name)],
  [['issuers', '*', 'introspection', 'private_key_file'], (files, path, name) => files.signingKey(path, name)],
  [['issuers', '*', 'http', 'ca_file'], (files, path, name) => files.certificates(path, name)],
  [['issuers', '*', 'http', 'bearer_token_file'], (files, path, name) => files.password(path, name)],
]

/** More than `http.max_bytes` may be by default: how much it is, is not known here. */
const KEY_SET_BYTES_MAX = 1024 * 1024

/** A name that is no name of a file was reported by the check of the settings, and may be a seed. */
const FILE_NAME = /^(?!S[ANOCUX][A-Z2-7]{40,}$)[^\p{Cc}\p{Cs}]{1,1024}$/u

/**
 * Checks the files of a configuration whose settings are not right, so that all that is wrong shows at once. Looks at
 * the settings that name a file wherever they can be made out, and passes over everything else.
 */
export async function checkFiles(text: string, options: { readonly baseDir: string }): Promise<readonly Problem[]> {
  const parsed = parseConfigYaml(text)
  if ('problems' in parsed) return []
  const files = new FileReader()
  for (const [path, check] of FILE_SETTINGS) {
    for (const { at, name } of namesAt(parsed.value, path, [])) await check(files, at, resolve(options.baseDir, name))
  }
  return files.problems
}

interface NamedFile {
  readonly at: string
  readonly name: string
}

function namesAt(value: unknown, path: readonly string[], walked: readonly (string | number)[]): NamedFile[] {
  const [key, ...rest] = path
  if (key === undefined) {
    return typeof value === 'string' && FILE_NAME.test(value) ? [{ at: writtenPath(walked), name: value }] : []
  }
  if (key === '*') {
    return entriesOf(value).flatMap(([name, entry]) => namesAt(entry, rest, [...walked, name]))
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return []
  return namesAt((value as Record<string, unknown>)[key], rest, [...walked, key])
}

function entriesOf(value: unknown): (readonly [name: string | number, entry: unknown])[] {
  if (Array.isArray(value)) return [...value.entries()]
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}
