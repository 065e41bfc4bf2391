import { access, chmod, constants, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { CalloutError } from '../core/errors.ts'
import { addToCache, CACHE_DIRECTORY, cacheEntries } from './cache.ts'
import { runCommand } from './child-process.ts'
import { configuredDebianArchives, unpackDebianPackage } from './debian-package.ts'
import { downloadNatsServerRelease, OLDEST_TESTED_VERSION, RELEASE_VERSION } from './nats-server-release.ts'

/** Older servers have known holes in the auth callout: an admission without one, crashes, leaked connections. */
export const MINIMUM_NATS_SERVER_VERSION = '2.14.4'

/** Which server is looked for. */
interface Wanted {
  /** For people. */
  readonly what: string
  readonly fits: (version: string) => boolean
  /** Debian suites that carry it, in order of preference. */
  readonly debianSuites: readonly string[]
  readonly release: string
}

const NEW_ENOUGH: Wanted = {
  what: `${MINIMUM_NATS_SERVER_VERSION} or newer`,
  fits: (version) => compareVersions(version, MINIMUM_NATS_SERVER_VERSION) >= 0,
  debianSuites: ['sid', 'forky'],
  release: RELEASE_VERSION,
}

const VERSION_TIMEOUT_MS = 10_000

export interface NatsServerBinary {
  readonly path: string
  /** Without a leading `v`. */
  readonly version: string
}

export interface LocateOptions {
  /** Where `NATS_SERVER_BIN`, `NATS_SERVER_VERSION` and `PATH` are read from. */
  readonly env?: NodeJS.ProcessEnv
  readonly cacheDirectory?: string
  /** Where the machine's Debian mirrors are configured. */
  readonly etcApt?: string
  /** For which the release is fetched. */
  readonly platform?: NodeJS.Platform
}

/**
 * Finds a real nats-server, or fetches one into the project's cache. Order: `NATS_SERVER_BIN`, PATH when new enough, the
 * cache, the package of the machine's Debian mirror, the pinned release. Takes milliseconds when there is one already.
 *
 * `NATS_SERVER_VERSION` asks for exactly that version, however old: to test against it, not to serve anybody.
 *
 * `progress` gets one line before each slow step. Throws `CalloutError('ERR_TOOL_MISSING')` that lists what was tried and
 * what to install; also when `NATS_SERVER_BIN` names something unusable, which is a mistake to correct, not to pass over.
 */
export async function locateNatsServer(
  progress: (line: string) => void = () => {},
  options: LocateOptions = {},
): Promise<NatsServerBinary> {
  const env = options.env ?? process.env
  const cacheDirectory = options.cacheDirectory ?? CACHE_DIRECTORY
  const wanted = wantedServer(env['NATS_SERVER_VERSION'])
  const configured = env['NATS_SERVER_BIN']
  if (configured !== undefined && configured !== '') return useConfigured(configured, wanted)

  const tried = ['NATS_SERVER_BIN: not set']
  const found = (await onPath(env['PATH'] ?? '', wanted, tried)) ?? (await inCache(cacheDirectory, wanted, tried))
  if (found !== undefined) return found

  for (const source of await fetchableSources(options, wanted, tried)) {
    progress(`fetching nats-server: ${source.name}`)
    try {
      const directory = await addToCache(cacheDirectory, (draft) => fillEntry(draft, source, wanted))
      progress(`nats-server is in ${directory}`)
      return { path: path.join(directory, 'nats-server'), version: entryVersion(path.basename(directory)) ?? '' }
    } catch (error) {
      tried.push(`${source.name}: ${(error as Error).message}`)
    }
  }
  throw new CalloutError(
    'ERR_TOOL_MISSING',
    [
      `no nats-server ${wanted.what} found; tried`,
      ...tried.map((line) => `  - ${line}`),
      'Install it (https://github.com/nats-io/nats-server/releases) on PATH, or set NATS_SERVER_BIN to the binary.',
    ].join('\n'),
  )
}

/** Where a binary can be fetched from. */
interface Source {
  readonly name: string
  /** Puts `nats-server` into the directory. */
  fill(directory: string): Promise<void>
}

function wantedServer(version: string | undefined): Wanted {
  if (version === undefined || version === '') return NEW_ENOUGH
  const debianSuites = version === OLDEST_TESTED_VERSION ? ['trixie'] : NEW_ENOUGH.debianSuites
  return { what: version, fits: (candidate) => candidate === version, debianSuites, release: version }
}

async function useConfigured(binary: string, wanted: Wanted): Promise<NatsServerBinary> {
  let version: string
  try {
    version = await versionOf(binary)
  } catch (cause) {
    throw new CalloutError('ERR_TOOL_MISSING', `NATS_SERVER_BIN is ${binary}, which is not a nats-server`, { cause })
  }
  if (!wanted.fits(version)) {
    const message = `NATS_SERVER_BIN is ${binary}, version ${version}; ${wanted.what} is needed`
    throw new CalloutError('ERR_TOOL_MISSING', message)
  }
  return { path: binary, version }
}

async function onPath(searchPath: string, wanted: Wanted, tried: string[]): Promise<NatsServerBinary | undefined> {
  for (const directory of searchPath.split(path.delimiter).filter((entry) => path.isAbsolute(entry))) {
    const binary = path.join(directory, 'nats-server')
    const executable = await access(binary, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (!executable) continue
    const version = await versionOf(binary).catch(() => undefined)
    if (version !== undefined && wanted.fits(version)) return { path: binary, version }
    tried.push(`PATH: ${binary} is ${version === undefined ? 'not usable' : `version ${version}`}`)
  }
  tried.push(`PATH: no nats-server ${wanted.what}`)
  return undefined
}

async function inCache(cacheDirectory: string, wanted: Wanted, tried: string[]): Promise<NatsServerBinary | undefined> {
  const versions = (await cacheEntries(cacheDirectory)).map(entryVersion).filter((version) => version !== undefined)
  const newest = versions.filter(wanted.fits).toSorted(compareVersions).at(-1)
  if (newest !== undefined) {
    return { path: path.join(cacheDirectory, `nats-server-${newest}`, 'nats-server'), version: newest }
  }
  tried.push(`cache ${cacheDirectory}: no nats-server ${wanted.what}`)
  return undefined
}

async function fetchableSources(options: LocateOptions, wanted: Wanted, tried: string[]): Promise<Source[]> {
  const archives = await configuredDebianArchives(options.etcApt)
  if (archives.length === 0) tried.push('Debian package: this machine uses no Debian mirror')
  const packages = archives.flatMap((archive) =>
    wanted.debianSuites.map((suite): Source => ({
      name: `Debian package of suite ${suite} from ${archive.uri}`,
      async fill(directory) {
        await unpackDebianPackage('nats-server', suite, archive, directory)
        await keepOnly(directory, 'usr/sbin/nats-server')
      },
    })),
  )
  const release: Source = {
    name: `nats-server release ${wanted.release} from GitHub`,
    fill: (directory) => downloadNatsServerRelease(directory, wanted.release, options.platform),
  }
  return [...packages, release]
}

async function fillEntry(directory: string, source: Source, wanted: Wanted): Promise<string> {
  await source.fill(directory)
  const binary = path.join(directory, 'nats-server')
  await chmod(binary, 0o755)
  const version = await versionOf(binary)
  if (!wanted.fits(version)) throw new Error(`is version ${version}`)
  return `nats-server-${version}`
}

/** Moves the file to the top of the directory and removes everything else. */
async function keepOnly(directory: string, file: string): Promise<void> {
  const kept = path.basename(file)
  await rename(path.join(directory, file), path.join(directory, kept))
  for (const name of await readdir(directory)) {
    if (name !== kept) await rm(path.join(directory, name), { recursive: true })
  }
}

function entryVersion(entry: string): string | undefined {
  return /^nats-server-(\d+\.\d+\.\d+)$/.exec(entry)?.[1]
}

async function versionOf(binary: string): Promise<string> {
  const output = await runCommand(binary, ['--version'], { timeoutMs: VERSION_TIMEOUT_MS })
  const version = /^nats-server: v(\d+\.\d+\.\d+)/.exec(output)?.[1]
  if (version === undefined) throw new Error(`${binary} --version printed no nats-server version`)
  return version
}

/** Negative when `left` is the older one; both are `major.minor.patch`. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [left.split('.').map(Number), right.split('.').map(Number)]
  for (let index = 0; index < 3; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
