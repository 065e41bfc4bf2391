import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Attempt } from './load.ts'
import { serveStorm } from './storm.ts'

/**
 * A storm of connects over raw sockets: TCP, INFO, CONNECT with a token, PING, then PONG or -ERR. A client library would
 * cost more than the servers under test. Each connection is closed as soon as it was answered.
 */
export interface ConnectTask {
  readonly port: number
  readonly tokens: readonly string[]
}

/** Longer than nats-server waits for the service, so that it is the server who gives up. */
const ANSWER_WITHIN_MS = 10_000

async function prepare({ port, tokens }: ConnectTask): Promise<Attempt> {
  const greetings = tokens.map((token) => {
    const options = { verbose: false, pedantic: false, lang: 'bench', version: '1', protocol: 1, auth_token: token }
    return `CONNECT ${JSON.stringify(options)}\r\nPING\r\n`
  })
  let next = 0
  return async () => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    try {
      return await conversation(socket, greetings[next++ % greetings.length] ?? '')
    } finally {
      socket.destroy()
    }
  }
}

function conversation(socket: Socket, greeting: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  let text = ''
  let greeted = false
  socket.setTimeout(ANSWER_WITHIN_MS, () => resolve(false))
  socket.on('error', () => resolve(false))
  socket.on('close', () => resolve(false))
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    if (!greeted && text.includes('\r\n')) {
      greeted = true
      socket.write(greeting)
    }
    if (text.includes('PONG\r\n')) resolve(true)
    if (text.includes('-ERR')) resolve(false)
  })
  return promise
}

if (import.meta.main) await serveStorm((task) => prepare(task as ConnectTask))
