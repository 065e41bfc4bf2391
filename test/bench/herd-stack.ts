import { privateDirectory } from '../../src/dev/child-process.ts'
import type { NatsServer } from '../../src/dev/nats-server.ts'
import { throttledTls } from '../support/throttled-tls.ts'
import { SIGN_ONLY, startPeerStack } from './peer-bench.ts'
import { serviceCounters } from './service-metrics.ts'
import { startBenchStack, tokensOf } from './stack-bench.ts'

export interface HerdStackOptions {
  /** The service disconnects whom it cannot serve; it denies them otherwise. */
  readonly disconnect: boolean
  /** A program that only signs takes the place of the service, and nothing is known of its decisions. */
  readonly signOnly: boolean
  /** Clients and service use TLS, and nats-server takes so many connections with it a second (`tls.connection_rate_limit`). */
  readonly tlsRate: number | undefined
}

/** nats-server and who answers it. */
export interface HerdStack extends AsyncDisposable {
  readonly nats: NatsServer
  readonly url: string
  /** PEM of what the clients trust, with TLS. */
  readonly ca: string | undefined
  readonly tokens: readonly string[]
  readonly responderPid: number
  /** What the service has counted. */
  counters(): Promise<ReadonlyMap<string, number>>
}

export async function startHerdStack({ disconnect, signOnly, tlsRate }: HerdStackOptions): Promise<HerdStack> {
  await using parts = new AsyncDisposableStack()
  const directory = privateDirectory('callout-herd')
  parts.defer(() => directory.remove())
  const tls = tlsRate === undefined ? undefined : await throttledTls(directory.path, tlsRate)
  const unchanged = (text: string): string => text
  const { editServerConfig, editConfig } = tls ?? { editServerConfig: unchanged, editConfig: unchanged }
  const withDisconnecting = (yaml: string): string =>
    yaml.replace(
      'password_file: secrets/auth.password',
      '$&, system: { user: sys, password_file: secrets/sys.password }',
    )
  const start = async () => {
    if (signOnly) {
      const { nats, peer, tokens } = parts.use(await startPeerStack(SIGN_ONLY, editServerConfig))
      return { nats, tokens, responderPid: peer.pid, counters: () => Promise.resolve(new Map<string, number>()) }
    }
    const stack = parts.use(
      await startBenchStack({
        editServerConfig,
        editConfig: (yaml) => editConfig(disconnect ? withDisconnecting(yaml) : yaml),
      }),
    )
    return {
      nats: stack.nats,
      tokens: await tokensOf(stack),
      responderPid: stack.service.process.pid,
      counters: () => serviceCounters(stack.service.httpUrl),
    }
  }
  const started = await start()
  const owned = parts.move()
  return {
    ...started,
    url: `nats://localhost:${started.nats.port}`,
    ca: tls?.certificate,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
