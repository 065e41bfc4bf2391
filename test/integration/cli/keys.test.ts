import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from '@nats-io/transport-node'
import { startNatsServer } from '../../../src/dev/nats-server.ts'
import { KEYS_CONFIG_FILE, REFERENCE_CONFIG_FILE } from '../../../src/dev/reference-nats-server.ts'
import { callout } from '../../unit/cli/recorded-io.ts'

let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'callout-keys-'))
})
after(() => rm(dir, { recursive: true, force: true }))

test('the reference configuration takes what keys generate writes, and its static users log in with the passwords', async () => {
  await callout(['keys', 'generate', '--dir', dir])
  const read = (name: string): Promise<string> => readFile(join(dir, name), 'utf8')
  await using server = await startNatsServer({
    config: await readFile(REFERENCE_CONFIG_FILE, 'utf8'),
    includes: { [KEYS_CONFIG_FILE]: await read('nats-server.keys.conf') },
  })
  for (const user of ['auth', 'sys']) {
    const pass = (await read(`${user}.password`)).trimEnd()
    const connection = await connect({ servers: server.url, user, pass, reconnect: false })
    await connection.close()
    await assert.rejects(
      connect({ servers: server.url, user, pass: `${pass}x`, reconnect: false }),
      /Authorization Violation/i,
    )
  }
})
