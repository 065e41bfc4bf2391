import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { CalloutError } from '../../../src/core/errors.ts'
import { openCheckpointFile } from '../../../src/evidence/checkpoint-file.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoint-file-'))
})
after(() => rm(folder, { recursive: true }))

suite('a checkpoint file', () => {
  test('holds each note in a line, after those of an earlier process', async () => {
    const path = join(folder, 'notes.jsonl')
    await (await openCheckpointFile(path)).append('first\nnote\n')
    await (await openCheckpointFile(path)).append('second')
    assert.equal(await readFile(path, 'utf8'), '{"note":"first\\nnote\\n"}\n{"note":"second"}\n')
    assert.equal((await stat(path)).mode & 0o007, 0)
  })

  test('ends a line that was not written whole before it writes the next one', async () => {
    const path = join(folder, 'torn.jsonl')
    const file = await openCheckpointFile(path)
    await appendFile(path, '{"note":"fi')
    await file.append('second')
    assert.equal(await readFile(path, 'utf8'), '{"note":"fi\n{"note":"second"}\n')
  })

  test('that cannot be written is found out before anything is signed', async () => {
    const path = join(folder, 'absent', 'notes.jsonl')
    await assert.rejects(
      openCheckpointFile(path),
      new CalloutError('ERR_CONFIG_INVALID', `audit.checkpoints.file: cannot write to ${path} (ENOENT)`),
    )
  })
})
