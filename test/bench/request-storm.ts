import { randomBytes } from 'node:crypto'
import { createServer } from '@nats-io/nkeys'
import { connect, headers } from '@nats-io/transport-node'
import type { Msg, MsgHdrs } from '@nats-io/transport-node'
import { SERVER_XKEY_HEADER } from '../../src/nats/authorization-request.ts'
import { CALLOUT_SUBJECT } from '../../src/nats/callout-endpoint.ts'
import { encodeJwt, parseJwt } from '../../src/nats/jwt.ts'
import { anXKey, signerOf } from '../support/nats.ts'
import type { Attempt } from './load.ts'
import { serveStorm } from './storm.ts'
import { userNkey } from './user-nkey.ts'

/** Authorization requests as a nats-server writes them, published by hand: the service without a server that asks. */
export interface RequestTask {
  readonly url: string
  readonly user: string
  readonly password: string
  /** Public key of the service's issuer. */
  readonly issuer: string
  /** Public curve key of the service; requests are sealed for it when present. */
  readonly xkey?: string
  readonly tokens: readonly string[]
}

const ANSWER_WITHIN_MS = 10_000
const INBOX = '_INBOX.bench'

interface Asked {
  readonly resolve: (admitted: boolean) => void
  readonly timer: NodeJS.Timeout
}

async function prepare(task: RequestTask, attempts: number): Promise<Attempt> {
  const server = aServer(task)
  const requests = await Promise.all(Array.from({ length: attempts }, (_, index) => server.request(index)))
  const connection = await connect({ servers: task.url, user: task.user, pass: task.password, reconnect: false })
  const waiting = new Map<string, Asked>()
  connection.subscribe(`${INBOX}.*`, {
    callback: (_error, message) => {
      const asked = waiting.get(message.subject)
      waiting.delete(message.subject)
      clearTimeout(asked?.timer)
      asked?.resolve(server.isAdmission(message))
    },
  })
  await connection.flush()
  let next = 0
  return () => {
    const index = next++
    const reply = `${INBOX}.${index}`
    const { promise, resolve } = Promise.withResolvers<boolean>()
    waiting.set(reply, { resolve, timer: setTimeout(() => resolve(false), ANSWER_WITHIN_MS) })
    connection.publish(CALLOUT_SUBJECT, requests[index] ?? '', { reply, ...server.headers })
    return promise
  }
}

interface Server {
  readonly headers: { readonly headers?: MsgHdrs }
  request(index: number): Promise<Uint8Array>
  isAdmission(message: Msg): boolean
}

/** Keys of one server and what it does with them, as in nats-server `server/auth_callout.go`. */
function aServer({ issuer, xkey: recipient, tokens }: RequestTask): Server {
  const key = signerOf(createServer())
  const xkey = anXKey().key
  const sealed = headers()
  sealed.set(SERVER_XKEY_HEADER, xkey.publicKey)
  const id = { name: 'bench', host: '127.0.0.1', id: key.publicKey, version: '2.15.1' }
  const server_id = recipient === undefined ? id : { ...id, xkey: xkey.publicKey }
  return {
    headers: recipient === undefined ? {} : { headers: sealed },
    async request(index) {
      const user_nkey = userNkey(randomBytes(32))
      const iat = Math.floor(Date.now() / 1000)
      const plain = Buffer.from(
        await encodeJwt(
          {
            aud: 'nats-authorization-request',
            exp: iat + 2,
            jti: 'U7UAEANBRBCOTC423IZ4SLBAHHYHID3FFVN7XXY5DLCHHC7Z5XOA',
            iat,
            sub: issuer,
            nats: {
              server_id,
              user_nkey,
              client_info: { host: '127.0.0.1', id: index, user: '[REDACTED]', kind: 'Client', type: 'nats' },
              connect_opts: { auth_token: tokens[index % tokens.length], lang: 'bench', version: '1', protocol: 1 },
              type: 'authorization_request',
              version: 2,
            },
          },
          key,
        ),
        'latin1',
      )
      return recipient === undefined ? plain : xkey.seal(plain, recipient)
    },
    isAdmission({ data }) {
      const plain = recipient === undefined ? data : xkey.open(data, recipient)
      const claims = plain === undefined ? undefined : parseJwt(plain)?.claims
      const answer = claims?.['nats'] as { readonly jwt?: unknown } | undefined
      return typeof answer?.jwt === 'string'
    },
  }
}

if (import.meta.main) await serveStorm((task, attempts) => prepare(task as RequestTask, attempts))
