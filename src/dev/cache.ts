import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'

/** The project's own cache, git-ignored: everything that is fetched lands here and nowhere else. */
export const CACHE_DIRECTORY = path.resolve(import.meta.dirname, '../../.cache')

/** Names of the complete entries; an absent cache has none. */
export async function cacheEntries(cacheDirectory: string): Promise<string[]> {
  try {
    return (await readdir(cacheDirectory)).filter((name) => !name.startsWith('.'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/**
 * Adds an entry: `fill` gets an empty folder in the cache, fills it and returns the name that it shall have.
 * Returns the path of the entry.
 *
 * Safe for concurrent callers in any number of processes: each fills a folder of its own in the same file system, and
 * the first rename wins; nobody ever sees a half-filled entry. When `fill` throws, nothing is left behind.
 */
export async function addToCache(
  cacheDirectory: string,
  fill: (directory: string) => Promise<string>,
): Promise<string> {
  await mkdir(cacheDirectory, { recursive: true })
  const draft = await mkdtemp(path.join(cacheDirectory, '.draft-'))
  try {
    const name = await fill(draft)
    const target = path.join(cacheDirectory, name)
    await rename(draft, target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
    return target
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}
