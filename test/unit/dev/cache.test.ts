import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { suite, test } from 'node:test'
import { addToCache, cacheEntries } from '../../../src/dev/cache.ts'

async function withCache(body: (directory: string) => Promise<void>): Promise<void> {
  const parent = await mkdtemp(path.join(tmpdir(), 'cache-'))
  try {
    await body(path.join(parent, '.cache'))
  } finally {
    await rm(parent, { recursive: true })
  }
}

suite('the project cache', () => {
  test('a cache that does not exist has no entries', async () => {
    await withCache(async (cache) => assert.deepEqual(await cacheEntries(cache), []))
  })

  test('an entry gets the name that its filling gave it', async () => {
    await withCache(async (cache) => {
      const entry = await addToCache(cache, async (draft) => {
        await writeFile(path.join(draft, 'file'), 'content')
        return 'thing-1.0'
      })
      assert.equal(entry, path.join(cache, 'thing-1.0'))
      assert.equal(await readFile(path.join(entry, 'file'), 'utf8'), 'content')
      assert.deepEqual(await cacheEntries(cache), ['thing-1.0'])
    })
  })

  test('an entry that is still being filled is not an entry', async () => {
    await withCache(async (cache) => {
      await addToCache(cache, async () => {
        assert.deepEqual(await cacheEntries(cache), [])
        return 'thing'
      })
    })
  })

  test('of many that add the same entry at once one wins, and all get it whole', async () => {
    await withCache(async (cache) => {
      const add = (content: string) =>
        addToCache(cache, async (draft) => {
          await writeFile(path.join(draft, 'file'), content)
          return 'thing'
        })
      const entries = await Promise.all(['a', 'b', 'c', 'd'].map(add))
      assert.deepEqual(new Set(entries), new Set([path.join(cache, 'thing')]))
      assert.match(await readFile(path.join(cache, 'thing/file'), 'utf8'), /^[abcd]$/)
      assert.deepEqual(await readdir(cache), ['thing'])
    })
  })

  test('a filling that fails leaves nothing behind', async () => {
    await withCache(async (cache) => {
      const failed = addToCache(cache, () => Promise.reject(new Error('no network')))
      await assert.rejects(failed, /no network/)
      assert.deepEqual(await readdir(cache), [])
    })
  })
})
