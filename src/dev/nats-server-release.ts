import { createHash } from 'node:crypto'
import { rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { runCommand } from './child-process.ts'

/** The newest release whose digests could be checked against a second publication of the same people. */
export const RELEASE_VERSION = '2.14.5'

/** The old end of the versions that the tests run against: what Debian 13 (trixie) carries. Not to serve anybody. */
export const OLDEST_TESTED_VERSION = '2.10.27'

/** A release is 6 MB. */
const DOWNLOAD_TIMEOUT_MS = 120_000
const UNPACK_TIMEOUT_MS = 30_000

/**
 * SHA-256 of the release archives, by version and target.
 * Source: nats-io/nats-docker, 2.14.x/alpine3.22/Dockerfile at aa0caa5 and 2.10.x/alpine3.21/Dockerfile at 89f948f (the
 * official images are built from them).
 */
const ARCHIVE_DIGESTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [RELEASE_VERSION]: {
    'linux-amd64': '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355',
    'linux-arm64': '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c',
  },
  [OLDEST_TESTED_VERSION]: {
    'linux-amd64': '0c3f53edaf1acccc41866d49d9c3626c9de8c9138b2fc11bbadfd3a4eb544ef1',
    'linux-arm64': '47067e41dc27890d9665ddf429ce24f9ed50bddd035dee63b915fcfcb1f8043b',
  },
}

/**
 * Downloads a nats-server release for this platform, checks its SHA-256 and puts the binary into `directory`. Linux is
 * checked against the digests above, macOS and other versions against the `SHA256SUMS` file of the release itself, which
 * guards against a damaged download only. Throws when the platform has no release or the digest differs.
 */
export async function downloadNatsServerRelease(
  directory: string,
  version: string,
  platform: NodeJS.Platform = process.platform,
  arch: string = process.arch,
): Promise<void> {
  const target = releaseTarget(platform, arch)
  const name = `nats-server-v${version}-${target}`
  const base = `https://github.com/nats-io/nats-server/releases/download/v${version}`
  const expected = ARCHIVE_DIGESTS[version]?.[target] ?? (await publishedDigest(`${base}/SHA256SUMS`, `${name}.tar.gz`))
  const archive = await download(`${base}/${name}.tar.gz`)
  const actual = createHash('sha256').update(archive).digest('hex')
  if (actual !== expected) throw new Error(`SHA-256 of ${name}.tar.gz is ${actual}, expected ${expected}`)

  const file = path.join(directory, 'release.tar.gz')
  await writeFile(file, archive)
  await runCommand('tar', ['-xzf', file, '-C', directory], { timeoutMs: UNPACK_TIMEOUT_MS })
  await rename(path.join(directory, name, 'nats-server'), path.join(directory, 'nats-server'))
  await rm(path.join(directory, name), { recursive: true })
  await rm(file)
}

function releaseTarget(platform: NodeJS.Platform, arch: string): string {
  const cpu = { x64: 'amd64', arm64: 'arm64' }[arch]
  if (cpu === undefined || (platform !== 'linux' && platform !== 'darwin')) {
    throw new Error(`the release is not offered for ${platform} on ${arch}`)
  }
  return `${platform}-${cpu}`
}

async function publishedDigest(url: string, file: string): Promise<string> {
  const sums = (await download(url)).toString('utf8')
  for (const line of sums.split('\n')) {
    const [digest, name] = line.trim().split(/\s+\*?/)
    if (name === file && digest !== undefined) return digest
  }
  throw new Error(`${url} does not list ${file}`)
}

async function download(url: string): Promise<Buffer> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) })
    if (!response.ok) throw new Error(`HTTP status ${response.status}`)
    return Buffer.from(await response.arrayBuffer())
  } catch (error) {
    const { message, cause } = error as Error
    throw new Error(`${url}: ${cause instanceof Error ? cause.message : message}`, { cause: error })
  }
}
