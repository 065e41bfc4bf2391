import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { sync, writeThrough } from '../../../src/cli/written-through.ts'

test('a text is written through only when its reader has taken it', async () => {
  let take = (): void => assert.fail('nothing was written')
  let isTaken = false
  const slow = new Writable({ write: (_chunk, _encoding, done) => void (take = done) })
  const written = writeThrough(slow, 'x'.repeat(1_000_000)).then((isRead) => {
    assert.ok(isTaken)
    return isRead
  })
  isTaken = true
  take()
  assert.equal(await written, true)
})

test('nobody reads it any more: that is an answer, now and from then on', async () => {
  const gone = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
  })
  gone.on('error', () => {})
  assert.equal(await writeThrough(gone, 'a'), false)
  assert.equal(await writeThrough(gone, 'b'), false)
})

test('a full disk is a failure', async () => {
  const full = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error('write ENOSPC'), { code: 'ENOSPC' })),
  })
  full.on('error', () => {})
  await assert.rejects(writeThrough(full, 'a'), /ENOSPC/)
})

test('what goes to no file needs no sync', async () => {
  await sync({ write: () => true })
})
