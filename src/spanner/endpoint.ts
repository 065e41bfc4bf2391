import { googleAuthLibrary, grpc } from 'google-gax'
import type { ClientOptions } from 'google-gax'

/** Where a Spanner API answers: Google's endpoint, or an emulator. */
export interface SpannerEndpoint {
  /** `host:port` of an emulator, as in `SPANNER_EMULATOR_HOST`. Absent: Google's endpoint with default credentials. */
  readonly emulatorHost?: string
}

const DEFAULT_EMULATOR_PORT = 9010

/** A channel comes back within 2 s of the return of its peer: gRPC's own back-off grows to two minutes. */
const RECONNECT_BACKOFF_MIN_MS = 100
const RECONNECT_BACKOFF_MAX_MS = 1000

/** An idle connection that a firewall dropped is noticed before the next request needs it. */
const KEEPALIVE_TIME_MS = 30_000
const KEEPALIVE_TIMEOUT_MS = 5000

/**
 * Options of the generated clients for this endpoint. Under the emulator nothing but the emulator is called: a
 * `PassThroughClient` keeps google-gax from asking the metadata server for credentials and for the universe domain.
 * Otherwise application default credentials hold. The generated clients export no metrics by themselves.
 */
export function clientOptions({ emulatorHost }: SpannerEndpoint): ClientOptions {
  const channel = {
    fallback: false,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_BACKOFF_MIN_MS,
    'grpc.max_reconnect_backoff_ms': RECONNECT_BACKOFF_MAX_MS,
    'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    // With the shared pool a fresh channel would get the same dead connection again.
    'grpc.use_local_subchannel_pool': 1,
    // Retries are ours, with their deadlines; nobody reads channelz. Both cost CPU in each call.
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
  }
  if (emulatorHost === undefined) return channel
  const { hostname, port } = new URL(`http://${emulatorHost}`)
  return {
    ...channel,
    servicePath: hostname,
    port: port === '' ? DEFAULT_EMULATOR_PORT : Number(port),
    universeDomain: 'googleapis.com',
    projectId: 'emulator',
    sslCreds: grpc.credentials.createInsecure(),
    authClient: new googleAuthLibrary.PassThroughClient(),
  }
}
