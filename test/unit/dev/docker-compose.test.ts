import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { parse } from 'yaml'
import { readConfig } from '../../../src/config/read-config.ts'
import { MINIMUM_NATS_SERVER_VERSION } from '../../../src/dev/locate-nats-server.ts'
import { DEFAULT_AUDIENCE } from '../../../src/dev/openid-provider.ts'
import { KEYS_CONFIG_FILE, REFERENCE_CONFIG_FILE } from '../../../src/dev/reference-nats-server.ts'
import { SPANNER_EMULATOR_IMAGE } from '../../../src/dev/spanner-emulator.ts'

const ROOT = path.dirname(REFERENCE_CONFIG_FILE)

interface Service {
  readonly image?: string
  readonly build?: { readonly dockerfile_inline: string; readonly target: string }
  readonly command?: readonly string[]
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly network_mode?: string
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly configs?: readonly { readonly source: string; readonly target: string }[]
  readonly healthcheck?: { readonly test: readonly string[] }
}

interface Compose {
  readonly services: Readonly<Record<'spanner' | 'setup' | 'nats' | 'openid-provider' | 'callout', Service>>
  readonly configs: Readonly<Record<string, { readonly content: string }>>
  readonly volumes: Readonly<Record<string, unknown>>
}

function readText(name: string): string {
  return readFileSync(path.join(ROOT, name), 'utf8')
}

const composeText = readText('docker-compose.yml')
const compose = parse(composeText, { merge: true }) as Compose
const services: Readonly<Record<string, Service>> = compose.services
const conf = readText('nats-server.conf').replaceAll(/^\s*#.*$/gm, '')

function calloutConfig() {
  const reading = readConfig(compose.configs['callout.yaml']?.content ?? '', { baseDir: '/' })
  assert.ok('config' in reading, JSON.stringify(reading))
  return reading.config
}

/** What stands between brackets after the name in nats-server.conf. */
function listInConf(name: string): string[] {
  const list = new RegExp(`\\b${name}: \\[([^\\]]*)\\]`).exec(conf)?.[1]
  assert.ok(list !== undefined, `nats-server.conf has no list ${name}`)
  return list.split(',').map((entry) => entry.trim())
}

suite('docker-compose.yml and nats-server.conf', () => {
  test('the account of each list exists, and the service places clients into exactly the delegated accounts', () => {
    const accounts = /^accounts \{(.*?)^\}/ms.exec(conf)?.[1] ?? ''
    const defined = [...accounts.matchAll(/^ {2}(\w+) \{/gm)].map(([, name = '']) => name)
    assert.deepEqual(new Set(defined), new Set(['APP', 'AUTH', 'OPS', 'SYS']))
    assert.deepEqual([...calloutConfig().callout.accounts.keys()].toSorted(), listInConf('allowed_accounts').toSorted())
  })

  test('the service logs in as a user that is never called out, with the queue group that this user may use', () => {
    const { login, queue } = calloutConfig().nats
    assert.ok('user' in login && listInConf('auth_users').includes(login.user))
    assert.match(conf, new RegExp(`subscribe: \\["\\$SYS\\.REQ\\.USER\\.AUTH ${queue}"`))
  })

  test('the service answers before the server gives up', () => {
    const timeout = Number(/^\s*timeout: (\d+)$/m.exec(conf)?.[1])
    assert.ok(calloutConfig().callout.deadlineMs < timeout * 1000)
  })

  test('a CONNECT line has room for the longest token twice', () => {
    const limit = Number(/^max_control_line: (\d+)KB$/m.exec(conf)?.[1]) * 1024
    assert.ok(limit > 2 * calloutConfig().token.maxBytes + 4096)
  })

  test('the server finds the included file in the volume that setup fills', () => {
    assert.match(conf, new RegExp(`^include \\./${KEYS_CONFIG_FILE}$`, 'm'))
    const { volumes = [], command = [] } = compose.services.nats
    const confTarget = '/etc/nats/nats-server.conf'
    assert.ok(command.includes(confTarget))
    assert.ok(volumes.includes(`./nats-server.conf:${confTarget}:ro`))
    const folder = path.dirname(path.join(path.dirname(confTarget), KEYS_CONFIG_FILE))
    assert.ok(volumes.includes(`nats-secrets:${folder}:ro`))
  })

  test('the addresses of nats-server are the ones of its configuration', () => {
    const [, clientPort] = /^listen: 0\.0\.0\.0:(\d+)$/m.exec(conf) ?? []
    const [, monitor] = /^http: (\S+)$/m.exec(conf) ?? []
    assert.deepEqual(compose.services.nats.ports, [`127.0.0.1:${clientPort}:${clientPort}`])
    assert.deepEqual(calloutConfig().nats.servers, [`nats://nats:${clientPort}`])
    assert.ok(compose.services.nats.healthcheck?.test.includes(`http://${monitor}/healthz`))
  })
})

suite('docker-compose.yml and the code', () => {
  test('its callout.yaml is accepted by the service', () => {
    assert.equal(calloutConfig().store.database, 'projects/local/instances/callout/databases/callout')
  })

  test('the issuer is the local provider, at one address from inside and outside', () => {
    const [issuer] = calloutConfig().issuers
    const { command = [], ports = [] } = compose.services['openid-provider']
    const port = command.find((word) => word.startsWith('--port='))?.slice('--port='.length)
    assert.equal(issuer?.issuer, `http://127.0.0.1:${port}`)
    assert.deepEqual(issuer?.audiences, [DEFAULT_AUDIENCE])
    assert.ok(ports.includes(`127.0.0.1:${port}:${port}`))
    assert.equal(compose.services.callout.network_mode, 'service:openid-provider')
  })

  test('the health of the service is its own readiness, at the address that it listens on', () => {
    const { port } = calloutConfig().http.listen
    assert.match(
      compose.services.callout.healthcheck?.test.join(' ') ?? '',
      new RegExp(`127\\.0\\.0\\.1:${port}/readyz`),
    )
    assert.ok(compose.services['openid-provider'].ports?.includes(`127.0.0.1:${port}:${port}`))
  })

  test('service and setup use the same emulator, under the address that it has', () => {
    const port = compose.services.spanner.ports?.[0]?.split(':').at(-1)
    for (const { environment } of [compose.services.callout, compose.services.setup]) {
      assert.equal(environment?.['SPANNER_EMULATOR_HOST'], `spanner:${port}`)
    }
  })

  test('the programs that it runs from the checkout exist', () => {
    const files = Object.values(services).flatMap(({ command = [] }) =>
      command.filter((word) => word.startsWith('src/')),
    )
    assert.deepEqual(files.toSorted(), ['src/dev/openid-provider.ts', 'src/dev/setup.ts'])
    for (const file of files) assert.ok(existsSync(path.join(ROOT, file)), file)
  })

  test('the images are the versions that the project is developed with', () => {
    const { devDependencies } = JSON.parse(readText('package.json')) as { devDependencies: { node: string } }
    const bases = [...composeText.matchAll(/FROM (\S+)/g)].map(([, image]) => image)
    assert.deepEqual(new Set(bases), new Set([`node:${devDependencies.node}-bookworm-slim`]))
    assert.equal(compose.services.spanner.image, SPANNER_EMULATOR_IMAGE)
    const [, version = ''] = /^nats:(\d+\.\d+\.\d+)-alpine$/.exec(compose.services.nats.image ?? '') ?? []
    assert.ok(version.localeCompare(MINIMUM_NATS_SERVER_VERSION, 'en', { numeric: true }) >= 0)
  })
})

suite('docker-compose.yml', () => {
  test('builds or pulls every service, and each build names a stage of its Dockerfile', () => {
    for (const [name, { image, build }] of Object.entries(services)) {
      assert.notEqual(image === undefined, build === undefined, name)
      if (build !== undefined) assert.match(build.dockerfile_inline, new RegExp(`^FROM \\S+ AS ${build.target}$`, 'm'))
    }
  })

  test('publishes every port on the loopback address only', () => {
    for (const { ports = [] } of Object.values(services)) {
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/)
    }
  })

  test('holds no secret', () => {
    assert.doesNotMatch(composeText, /\bS[AUOX][A-Z2-7]{20,}/)
    assert.doesNotMatch(composeText, /(?:password|secret|token)\s*[:=]\s*\S/i)
  })

  test('names only services, volumes and configs that it defines', () => {
    for (const { depends_on: dependencies = {}, volumes = [], configs = [] } of Object.values(services)) {
      for (const name of Object.keys(dependencies)) assert.ok(name in services, name)
      for (const volume of volumes) {
        const [source = ''] = volume.split(':')
        assert.ok(source.startsWith('./') ? existsSync(path.join(ROOT, source)) : source in compose.volumes, volume)
      }
      for (const { source } of configs) assert.ok(source in compose.configs, source)
    }
  })

  test('shows the signing keys to the service and to setup, the passwords of nats-server to no other part', () => {
    const readers = (volume: string): string[] =>
      Object.entries(services)
        .filter(([, { volumes = [] }]) => volumes.some((entry) => entry.startsWith(`${volume}:`)))
        .map(([name]) => name)
        .toSorted()
    assert.deepEqual(readers('secrets'), ['callout', 'setup'])
    assert.deepEqual(readers('nats-secrets'), ['nats', 'setup'])
    assert.deepEqual(readers('provider-secrets'), ['openid-provider', 'setup'])
  })

  test('starts nothing before the parts that it needs are ready', () => {
    const { callout, nats } = compose.services
    assert.equal(callout.depends_on?.['nats']?.condition, 'service_healthy')
    assert.equal(callout.depends_on?.['openid-provider']?.condition, 'service_healthy')
    assert.equal(callout.depends_on?.['setup']?.condition, 'service_completed_successfully')
    assert.equal(nats.depends_on?.['setup']?.condition, 'service_completed_successfully')
  })
})
