import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { connect } from '@nats-io/transport-node'
import { startNatsServer } from '../../../src/dev/nats-server.ts'

suite('a nats-server for development', () => {
  test('accepts connections as soon as it has been started', async () => {
    await using server = await startNatsServer({ config: '' })
    const connection = await connect({ servers: server.url, reconnect: false })
    assert.equal(connection.info?.port, server.port)
    await connection.close()
  })

  test('listens for clients on the loopback address alone, whatever its configuration says', async () => {
    await using server = await startNatsServer({ config: 'listen: 0.0.0.0:4222' })
    assert.match(server.log(), new RegExp(`Listening for client connections on 127\\.0\\.0\\.1:${server.port}\\b`))
  })

  test('has its monitoring on the loopback address when its configuration names none', async () => {
    await using server = await startNatsServer({ config: 'port: 4222' })
    const response = await fetch(`${server.monitorUrl}/healthz`)
    assert.deepEqual(await response.json(), { status: 'ok' })
  })

  test('is another process on the same port after a restart', async () => {
    await using server = await startNatsServer({ config: '' })
    const { pid, url } = server
    await server.restart()
    assert.notEqual(server.pid, pid)
    assert.equal(server.url, url)
    await (await connect({ servers: url, reconnect: false })).close()
  })

  test('is back after it was killed and restarted', async () => {
    await using server = await startNatsServer({ config: '' })
    server.signal('SIGKILL')
    await server.restart()
    await (await connect({ servers: server.url, reconnect: false })).close()
  })

  test('fails to start with the reason of the server when its configuration is wrong', async () => {
    await assert.rejects(startNatsServer({ config: 'authorization {' }), /did not start[^]*Parse error/)
  })

  test('leaves neither process nor files behind when it is stopped', async () => {
    const server = await startNatsServer({ config: '' })
    await server.stop()
    await server.stop()
    assert.throws(() => process.kill(server.pid, 0), { code: 'ESRCH' })
    assert.equal(existsSync(path.dirname(server.configFile)), false)
  })

  test('starts many at once without two on one port', async () => {
    const servers = await Promise.all(Array.from({ length: 8 }, () => startNatsServer({ config: '' })))
    await Promise.all(servers.map((server) => server.stop()))
    assert.equal(new Set(servers.map((server) => server.port)).size, servers.length)
  })
})
