import { readFile } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { generateKeys } from '../../src/cli/keys-command.ts'
import { privateDirectory, startChild } from '../../src/dev/child-process.ts'
import type { ChildProcess } from '../../src/dev/child-process.ts'
import { startNatsServer, type NatsServer } from '../../src/dev/nats-server.ts'
import { startOpenIdProvider } from '../../src/dev/openid-provider.ts'
import { KEYS_CONFIG_FILE, REFERENCE_CONFIG_FILE } from '../../src/dev/reference-nats-server.ts'
import type { Load, LoadResult } from './load.ts'
import { processUsage } from './process-usage.ts'
import { CLIENTS, CONNECT_STORM, WARM_UP } from './stack-bench.ts'
import { runStorm } from './storm.ts'

/** Another program in the place of the service: told of its peers as `--nats`, `--password-file` and so on; prints `ready`. */
export interface Peer {
  readonly program: string
  readonly args: readonly string[]
}

export const SIGN_ONLY: Peer = {
  program: process.execPath,
  args: ['--max-semi-space-size=8', path.join(import.meta.dirname, 'sign-only.ts')],
}

/** Built from `test/bench/go-responder`, which needs Go and its module proxy; not measured where it is not there. */
export const GO_RESPONDER: Peer | undefined =
  process.env['GO_RESPONDER'] === undefined ? undefined : { program: process.env['GO_RESPONDER'], args: [] }

export interface PeerFigures {
  readonly load: Load
  readonly result: LoadResult
  readonly cpuMsPerDecision: Readonly<Record<'peer' | 'natsServer' | 'generator', number | undefined>>
}

const READY_WITHIN_MS = 10_000

/** The reference server without limits for the peer: the library for Go subscribes in a queue group of its own choice. */
function withoutServicePermissions(text: string): string {
  return text.replace(/permissions \{\s+subscribe[\s\S]*?allow_responses.*\n\s+\}/, '')
}

/** nats-server in the reference configuration with a peer in the place of the service, ready. */
export interface PeerStack extends AsyncDisposable {
  readonly nats: NatsServer
  readonly peer: ChildProcess
  readonly tokens: readonly string[]
}

export async function startPeerStack(peer: Peer, editServerConfig = (text: string) => text): Promise<PeerStack> {
  await using stack = new AsyncDisposableStack()
  const home = privateDirectory('callout-peer')
  stack.defer(() => home.remove())
  const secrets = path.join(home.path, 'secrets')
  const silent = { stdout: { write() {} }, stderr: { write() {} }, env: {} }
  await generateKeys({ dir: secrets, output: 'table' }, silent)
  const provider = stack.use(await startOpenIdProvider({ clients: CLIENTS }))
  const nats = stack.use(
    await startNatsServer({
      config: editServerConfig(withoutServicePermissions(await readFile(REFERENCE_CONFIG_FILE, 'utf8'))),
      includes: { [KEYS_CONFIG_FILE]: await readFile(path.join(home.path, KEYS_CONFIG_FILE), 'utf8') },
    }),
  )
  const files = { 'password-file': 'auth.password', 'issuer-seed-file': 'issuer.nk', 'xkey-seed-file': 'xkey.nk' }
  const running = stack.use(
    await startChild(peer.program, [
      ...peer.args,
      '--nats',
      nats.url,
      '--oidc-issuer',
      provider.issuer,
      ...Object.entries(files).flatMap(([name, file]) => [`--${name}`, path.join(secrets, file)]),
    ]),
  )
  await untilReady(running)
  const tokens = await Promise.all(CLIENTS.map((client) => provider.clientCredentials(client)))
  const parts = stack.move()
  return { nats, peer: running, tokens, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

/** Clients that connect to nats-server, as in `benchEndToEnd`, with `peer` in the place of the service. */
export async function benchPeer(peer: Peer, load: Load): Promise<PeerFigures> {
  await using stack = await startPeerStack(peer)
  const { nats, tokens } = stack
  const look = async () => ({ peer: await processUsage(stack.peer.pid), natsServer: await processUsage(nats.pid) })
  let before = await look()
  const result = await runStorm(
    CONNECT_STORM,
    { task: { port: nats.port, tokens }, warmUp: WARM_UP, load },
    async () => {
      before = await look()
    },
  )
  const after = await look()
  const perDecision = (part: 'peer' | 'natsServer'): number | undefined => {
    const [from, to] = [before[part]?.cpuMs, after[part]?.cpuMs]
    return from === undefined || to === undefined ? undefined : (to - from) / result.attempts
  }
  return {
    load,
    result,
    cpuMsPerDecision: {
      peer: perDecision('peer'),
      natsServer: perDecision('natsServer'),
      generator: result.generatorCpuMs / result.attempts,
    },
  }
}

async function untilReady(peer: ChildProcess): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS
  while (!peer.log().includes('ready')) {
    if (peer.hasExited() || performance.now() > deadline) throw new Error(`the peer did not start: ${peer.log()}`)
    await delay(20)
  }
}
