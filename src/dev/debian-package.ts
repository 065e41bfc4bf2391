import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runCommand } from './child-process.ts'

/** The package list of a suite is some 10 MB; a slow mirror gets its time, a dead one does not hold a demo up for long. */
const APT_TIMEOUT_MS = 120_000
const UNPACK_TIMEOUT_MS = 30_000

/** The archives that carry every suite under one address; security and third-party archives do not. */
const DEBIAN_SUITES = /^(?:(?:old){0,2}stable|testing|unstable|sid|bullseye|bookworm|trixie|forky|duke)$/

/** A Debian archive that this machine already uses. */
export interface DebianArchive {
  readonly uri: string
  /** Value of `Signed-By`: a keyring path or a key block, as configured; absent when the machine's default keys apply. */
  readonly signedBy?: string
}

/**
 * Downloads the package from the given suite of the machine's own Debian mirror and unpacks it into `directory`.
 *
 * Needs no root and installs nothing: apt gets a state of its own below `directory`, the machine's network settings stay
 * in force, and its hooks (which would act on the real system) are switched off. apt verifies the archive's signature.
 * Sources: apt.conf(5), sources.list(5), apt-get(8), dpkg(1).
 */
export async function unpackDebianPackage(
  packageName: string,
  suite: string,
  archive: DebianArchive,
  directory: string,
): Promise<void> {
  const state = path.join(directory, '.apt')
  await mkdir(path.join(state, 'lists/partial'), { recursive: true })
  await mkdir(path.join(state, 'cache/archives/partial'), { recursive: true })
  await writeFile(path.join(state, 'status'), '')
  await writeFile(path.join(state, 'debian.sources'), sourceStanza(archive, suite))
  await writeFile(path.join(state, 'apt.conf'), aptConfiguration(state))

  const apt = ['-qq', '-c', path.join(state, 'apt.conf')]
  await runCommand('apt-get', [...apt, 'update'], { cwd: state, timeoutMs: APT_TIMEOUT_MS })
  await runCommand('apt-get', [...apt, 'download', packageName], { cwd: state, timeoutMs: APT_TIMEOUT_MS })
  const deb = (await readdir(state)).find((name) => name.startsWith(`${packageName}_`) && name.endsWith('.deb'))
  if (deb === undefined) throw new Error(`apt-get downloaded no ${packageName} package`)
  await runCommand('dpkg', ['-x', path.join(state, deb), directory], { timeoutMs: UNPACK_TIMEOUT_MS })
  await rm(state, { recursive: true })
}

/** The Debian archives in the machine's apt sources, in their order, each once. Empty on a machine without apt. */
export async function configuredDebianArchives(etcApt = '/etc/apt'): Promise<DebianArchive[]> {
  const parts = await readdir(path.join(etcApt, 'sources.list.d')).catch(() => [])
  const files = ['sources.list', ...parts.map((name) => path.join('sources.list.d', name))]
  const archives = new Map<string, DebianArchive>()
  for (const file of files) {
    const text = await readFile(path.join(etcApt, file), 'utf8').catch(() => '')
    for (const archive of file.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text)) {
      if (!archives.has(archive.uri)) archives.set(archive.uri, archive)
    }
  }
  return [...archives.values()]
}

function parseOneLine(text: string): DebianArchive[] {
  const archives: DebianArchive[] = []
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)$/.exec(line.replace(/#.*/, ''))
    if (match === null) continue
    const [, options = '', uri = '', suite = '', components = ''] = match
    if (!DEBIAN_SUITES.test(suite) || !words(components).includes('main')) continue
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1]
    archives.push({ uri, ...(signedBy !== undefined && { signedBy }) })
  }
  return archives
}

function parseDeb822(text: string): DebianArchive[] {
  const archives: DebianArchive[] = []
  for (const stanza of text.replaceAll(/^#.*\n?/gm, '').split(/\n\s*\n/)) {
    const fields = new Map<string, string>()
    for (const [, name = '', value = ''] of stanza.matchAll(/^([A-Za-z-]+):[ \t]*(.*(?:\n[ \t].*)*)/gm)) {
      fields.set(name.toLowerCase(), value)
    }
    const list = (name: string): string[] => words(fields.get(name) ?? '')
    const fits = list('types').includes('deb') && list('components').includes('main')
    if (!fits || !list('suites').some((suite) => DEBIAN_SUITES.test(suite))) continue
    if (/^(?:no|false|off|0)$/i.test(fields.get('enabled')?.trim() ?? '')) continue
    const signedBy = fields.get('signed-by')
    for (const uri of list('uris')) archives.push({ uri, ...(signedBy !== undefined && { signedBy }) })
  }
  return archives
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

function sourceStanza(archive: DebianArchive, suite: string): string {
  const lines = ['Types: deb', `URIs: ${archive.uri}`, `Suites: ${suite}`, 'Components: main']
  if (archive.signedBy !== undefined) lines.push(`Signed-By: ${archive.signedBy}`)
  return `${lines.join('\n')}\n`
}

/** Read after the machine's own configuration, so that proxies and the like stay. */
function aptConfiguration(state: string): string {
  const settings: Record<string, string> = {
    'Dir::State::Lists': path.join(state, 'lists'),
    'Dir::State::status': path.join(state, 'status'),
    'Dir::Cache': path.join(state, 'cache'),
    'Dir::Etc::sourcelist': path.join(state, 'debian.sources'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'APT::Default-Release': '',
    'APT::Update::Error-Mode': 'any',
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '20',
    'Acquire::https::Timeout': '20',
  }
  const hooks = ['APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success']
  const cleared = [...hooks, 'Acquire::Languages'].map((name) => `#clear ${name};`)
  return [...cleared, ...Object.entries(settings).map(([name, value]) => `${name} "${value}";`), ''].join('\n')
}
