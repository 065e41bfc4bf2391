import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import type { ReadinessProbe } from '../../../src/service/events.ts'
import { HttpEndpoints } from '../../../src/telemetry/http.ts'
import { createMetrics } from '../../../src/telemetry/metrics.ts'
import { recordingLogger } from './telemetry-fixture.ts'

const LISTEN = { host: '127.0.0.1', port: 0 }

async function serve(probes: readonly ReadinessProbe[] = []) {
  const { logger, records } = recordingLogger()
  const endpoints = await HttpEndpoints.listen({
    listen: LISTEN,
    probes,
    metrics: createMetrics({ version: '1' }),
    logger,
  })
  return {
    records,
    get: (path: string, method = 'GET') => fetch(endpoints.url + path, { method }),
    endpoints,
    [Symbol.asyncDispose]: () => endpoints[Symbol.asyncDispose](),
  }
}

suite('/livez', () => {
  test('says ok although nothing is ready', async () => {
    await using server = await serve([() => [{ part: 'nats', ready: false, why: 'gone' }]])
    const response = await server.get('/livez')
    assert.deepEqual([response.status, await response.text()], [200, 'ok\n'])
  })
})

suite('/readyz', () => {
  test('names every part', async () => {
    await using server = await serve([
      () => [{ part: 'nats', ready: true }],
      () => [{ part: 'keys', ready: true, why: 'old' }],
    ])
    const response = await server.get('/readyz')
    assert.deepEqual([response.status, await response.text()], [200, '[+] nats\n[+] keys: old\nready\n'])
  })

  test('is 503 when one part is not ready, and says why', async () => {
    await using server = await serve([
      () => [{ part: 'nats', ready: true }],
      () => [{ part: 'store', ready: false, why: 'no\nanswer' }],
    ])
    const response = await server.get('/readyz')
    assert.deepEqual([response.status, await response.text()], [503, '[+] nats\n[-] store: no answer\nnot ready\n'])
  })

  test('is 503 while the service is starting and has no parts yet, and sees parts that come later', async () => {
    const probes: ReadinessProbe[] = []
    await using server = await serve(probes)
    assert.equal((await server.get('/readyz')).status, 503)
    probes.push(() => [{ part: 'nats', ready: true }])
    assert.equal((await server.get('/readyz')).status, 200)
  })

  test('is 503 when a probe has a bug, without its details', async () => {
    await using server = await serve([
      () => {
        throw new Error('secret inner state')
      },
    ])
    const response = await server.get('/readyz')
    assert.equal(response.status, 503)
    assert.doesNotMatch(await response.text(), /inner state/)
  })

  test('may be JSON', async () => {
    await using server = await serve([() => [{ part: 'nats', ready: false, why: 'gone' }]])
    const response = await server.get('/readyz?format=json')
    assert.deepEqual(await response.json(), { ready: false, checks: [{ part: 'nats', ready: false, why: 'gone' }] })
  })
})

suite('the endpoints', () => {
  test('serve metrics in the text format of Prometheus', async () => {
    await using server = await serve()
    const response = await server.get('/metrics')
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
    assert.match(await response.text(), /^nats_callout_build_info/m)
  })

  test('answer HEAD without a body, and nothing but GET and HEAD', async () => {
    await using server = await serve()
    const head = await server.get('/livez', 'HEAD')
    assert.deepEqual([head.status, await head.text()], [200, ''])
    const post = await fetch(`${server.endpoints.url}/livez`, { method: 'POST', body: 'x'.repeat(100_000) })
    assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD'])
  })

  test('know no other path', async () => {
    await using server = await serve()
    for (const path of ['/', '/livez/', '/metrics/../livez/x', '/constructor']) {
      assert.equal((await server.get(path)).status, 404, path)
    }
  })

  test('refuse headers without bound', async () => {
    await using server = await serve()
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
    request(`${server.endpoints.url}/livez`, { headers: { filler: 'x'.repeat(20_000) } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
    assert.equal(await promise, 431)
  })

  test('survive a peer that speaks something else', async () => {
    await using server = await serve()
    const socket = connect(Number(new URL(server.endpoints.url).port), '127.0.0.1')
    socket.end('CONNECT {}\r\nPING\r\n\u0000')
    socket.resume()
    await once(socket, 'close')
    assert.equal((await server.get('/livez')).status, 200)
  })

  test('log where they listen', async () => {
    await using server = await serve()
    assert.equal(server.records()[0]?.['url'], server.endpoints.url)
  })

  test('end at once, open connections included', async () => {
    const server = await serve()
    const socket = connect(Number(new URL(server.endpoints.url).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.resume()
    const closed = once(socket, 'close')
    await server.endpoints[Symbol.asyncDispose]()
    await closed
    await assert.rejects(server.get('/livez'))
  })

  test('reject a port that is taken', async () => {
    await using server = await serve()
    const { logger } = recordingLogger()
    const listen = { host: '127.0.0.1', port: Number(new URL(server.endpoints.url).port) }
    const second = HttpEndpoints.listen({ listen, probes: [], metrics: createMetrics({ version: '1' }), logger })
    await assert.rejects(second, { code: 'EADDRINUSE' })
  })
})
