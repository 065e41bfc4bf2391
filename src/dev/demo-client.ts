import { setImmediate as turn } from 'node:timers/promises'
import { connect, credsAuthenticator, errors, type NatsConnection } from '@nats-io/transport-node'
import type { LocalStack } from './stack.ts'

/** nats-server answers within two seconds whatever the service does. */
const CONNECT_TIMEOUT_MS = 5000

type PermissionViolation = InstanceType<typeof errors.PermissionViolationError>

/** A connected NATS client that knows what the server thought of everything it tried. */
export interface DemoClient extends AsyncDisposable {
  readonly name: string
  /** Whether the server accepted the subscription; from then on its messages are received. */
  subscribe(subject: string, queue?: string): Promise<boolean>
  /** Whether the server accepted the message; it has passed it on to all who get it by then. */
  publish(subject: string, text: string): Promise<boolean>
  /** The texts that the server had for this client up to this call, oldest first. */
  received(): Promise<readonly string[]>
}

/** How the server answered a client that wants to connect. */
export type Welcome = { readonly client: DemoClient } | { readonly refusal: string }

/**
 * Connects with a token, or with nothing but the sentinel that the server may want beside it. A refusal is a value, with the text that the client gets to see; that the
 * service gave no answer, or that there is no server, is thrown.
 */
export async function connectClient(
  { nats, sentinelCreds }: Pick<LocalStack, 'nats' | 'sentinelCreds'>,
  name: string,
  token: string | undefined,
): Promise<Welcome> {
  const credentials = {
    ...(token === undefined ? {} : { token }),
    ...(sentinelCreds === undefined ? {} : { authenticator: credsAuthenticator(sentinelCreds) }),
  }
  const options = { servers: nats.url, name, reconnect: false, timeout: CONNECT_TIMEOUT_MS }
  try {
    const nc = await connect({ ...options, ...credentials })
    return { client: demoClient(name, nc) }
  } catch (error) {
    if (error instanceof errors.AuthorizationError && /^authorization violation$/i.test(error.message)) {
      return { refusal: error.message }
    }
    throw error
  }
}

/** Stands for a client that was not let in, so that what depends on it fails step by step and says why. */
export function absentClient(name: string): DemoClient {
  const missing = async (): Promise<never> => {
    throw new Error(`${name} is not connected`)
  }
  return { name, subscribe: missing, publish: missing, received: missing, [Symbol.asyncDispose]: async () => {} }
}

function demoClient(name: string, nc: NatsConnection): DemoClient {
  const texts: string[] = []
  const violations: PermissionViolation[] = []
  void collectViolations(nc, violations)
  // The server answers in order: by the time of its PONG it has said everything about what came before.
  const settled = async (): Promise<void> => {
    await nc.flush()
    await turn()
  }
  return {
    name,
    async subscribe(subject, queue) {
      nc.subscribe(subject, {
        ...(queue !== undefined && { queue }),
        callback: (error, message) => void (error === null && texts.push(message.string())),
      })
      await settled()
      return !violations.some((it) => it.operation === 'subscription' && it.subject === subject && it.queue === queue)
    },
    async publish(subject, text) {
      const before = violations.length
      nc.publish(subject, text)
      await settled()
      return !violations.slice(before).some((it) => it.operation === 'publish' && it.subject === subject)
    },
    async received() {
      await settled()
      return texts
    },
    [Symbol.asyncDispose]: () => nc.close(),
  }
}

async function collectViolations(nc: NatsConnection, violations: PermissionViolation[]): Promise<void> {
  for await (const status of nc.status()) {
    if (status.type === 'error' && status.error instanceof errors.PermissionViolationError) {
      violations.push(status.error)
    }
  }
}
