import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { locateNatsServer } from '../../src/dev/locate-nats-server.ts'
import { locateSpannerEmulator } from '../../src/dev/locate-spanner-emulator.ts'
import { SPANNER_EMULATOR_IMAGE } from '../../src/dev/spanner-emulator.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  /** Of one minute, before the bench: what else the machine was busy with. */
  readonly loadBefore: number
  readonly node: string
  readonly natsServer: string
  readonly spannerEmulator: string
}

export async function describeMachine(): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch} ${release()}`,
    loadBefore: loadavg()[0] ?? 0,
    node: process.version,
    natsServer: (await locateNatsServer()).version,
    spannerEmulator: await emulatorVersion(),
  }
}

export interface Commit {
  readonly id: string
  /** Files that differ from the commit, untracked ones left aside. */
  readonly changedFiles: number
}

/** Undefined outside a git checkout. */
export async function describeCommit(): Promise<Commit | undefined> {
  try {
    const id = await git('rev-parse', 'HEAD')
    const changed = await git('status', '--porcelain', '--untracked-files=no')
    return { id, changedFiles: changed === '' ? 0 : changed.split('\n').length }
  } catch {
    return undefined
  }
}

async function git(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('git', args, { cwd: import.meta.dirname })
  return stdout.trimEnd()
}

/** The program does not say its version; the SDK that it came with has a list. */
async function emulatorVersion(): Promise<string> {
  const source = await locateSpannerEmulator()
  if (source.kind === 'docker') return SPANNER_EMULATOR_IMAGE
  if (source.kind === 'address') return 'unknown'
  const installed = path.resolve(path.dirname(source.path), '../../.install')
  const names = await readdir(installed).catch(() => [])
  for (const name of names.filter((entry) => /^cloud-spanner-emulator-.*\.snapshot\.json$/.test(entry))) {
    const version = /"version_string": "([^"]+)"/.exec(await readFile(path.join(installed, name), 'utf8'))?.[1]
    if (version !== undefined) return version
  }
  return 'unknown'
}
