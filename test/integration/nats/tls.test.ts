import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { suite, test } from 'node:test'
import { privateDirectory } from '../../../src/dev/child-process.ts'
import { startNatsServer, type NatsServer } from '../../../src/dev/nats-server.ts'
import { NatsLink } from '../../../src/nats/connection.ts'
import { systemClock } from '../../../src/service/clock.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'
import { selfSignedCertificate } from '../../support/oidc.ts'
import { until } from '../../support/nats.ts'

const { key, cert } = selfSignedCertificate()
const USER = 'authorization { user: auth, password: pw }'

async function aTlsServer(): Promise<NatsServer> {
  const { path: directory } = privateDirectory('callout-tls')
  const files = { cert: path.join(directory, 'cert.pem'), key: path.join(directory, 'key.pem') }
  await writeFile(files.cert, cert)
  await writeFile(files.key, key)
  return startNatsServer({ config: `${USER}\ntls { cert_file: "${files.cert}", key_file: "${files.key}" }` })
}

function aLink(url: string, tls?: { ca?: string }): NatsLink {
  return new NatsLink({
    servers: [url],
    credentials: { kind: 'password', user: 'auth', password: 'pw' },
    ...(tls === undefined ? {} : { tls }),
    name: 'callout',
    clock: systemClock,
    events: new RecordedEvents(),
  })
}

/** The library compares certificates with names only; for an address it expects the name localhost. */
function byName({ port }: NatsServer): string {
  return `nats://localhost:${port}`
}

/** Opens in the background until the link says why it cannot. */
async function refusal(link: NatsLink): Promise<string> {
  const opening = assert.rejects(link.open(), { name: 'AbortError' })
  const why = (): string => link.probe()[0]?.why ?? ''
  await until('the link says why', () => why() !== 'not connected yet')
  const text = why()
  await link.close()
  await opening
  return text
}

suite('a connection to a nats-server with TLS', () => {
  test('is made when its certificate is trusted', async () => {
    await using server = await aTlsServer()
    await using link = aLink(byName(server), { ca: cert })
    const connection = await link.open()
    assert.equal(connection.info?.tls_required, true)
  })

  test('is refused when its certificate is not trusted', async () => {
    await using server = await aTlsServer()
    assert.match(await refusal(aLink(byName(server))), /self.signed certificate/i)
  })
})

suite('a nats-server without TLS gets no password', () => {
  test('when certificates are configured', async () => {
    await using server = await startNatsServer({ config: USER })
    assert.match(await refusal(aLink(server.url, { ca: cert })), /does not support 'tls'/)
  })

  test('when it is named with tls://', async () => {
    await using server = await startNatsServer({ config: USER })
    assert.match(await refusal(aLink(server.url.replace('nats://', 'tls://'))), /does not support 'tls'/)
  })
})
