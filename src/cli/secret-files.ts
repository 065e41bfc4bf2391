import { lstat, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CommandFailure, EXIT, type CliIo } from './io.ts'

const OTHERS = 0o077

export interface SecretFilesOptions {
  readonly dir: string
  readonly force?: boolean
  /** Finds out what would be written and writes nothing. */
  readonly dryRun?: boolean
}

/**
 * Writes files with mode 0600 into a folder that is made if need be, with mode 0700; names may lie in folders below it.
 * Nothing is written when one of them is there already, unless forced. Returns the paths. Throws `CommandFailure`.
 */
export async function writeSecretFiles(
  { dir, force = false, dryRun = false }: SecretFilesOptions,
  files: Readonly<Record<string, string>>,
  io: CliIo,
): Promise<readonly string[]> {
  const paths = Object.keys(files).map((name) => join(dir, name))
  if (!force) await refuseExisting(paths)
  if (dryRun) return paths
  await mkdir(dir, { recursive: true, mode: 0o700 })
  if (((await stat(dir)).mode & OTHERS) !== 0) {
    io.stderr.write(`callout: warning: others may enter the folder ${dir} (chmod 700)\n`)
  }
  for (const [name, content] of Object.entries(files)) {
    const path = join(dir, name)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeSecret(path, `${content.trimEnd()}\n`, force)
  }
  return paths
}

async function refuseExisting(paths: readonly string[]): Promise<void> {
  const existing: string[] = []
  for (const path of paths) {
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
