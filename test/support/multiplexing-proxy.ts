import { once } from 'node:events'
import { connect } from 'node:net'
import { v1 } from '@google-cloud/spanner-api'
import { grpc } from 'google-gax'
import { clientOptions } from '../../src/spanner/endpoint.ts'

type Message = Record<string, unknown>
type Call = (request: Message, metadata: grpc.Metadata, callback: (error: unknown, response: Message) => void) => void

/**
 * A gRPC proxy in front of a real emulator that adds what this emulator lacks: it takes sessions as multiplexed, and wants the
 * newest precommit token with each commit of a transaction, asking once for a newer one, as spanner.proto describes.
 */
export interface MultiplexingProxy extends AsyncDisposable {
  /** `127.0.0.1:<port>` */
  readonly host: string
  /** Names of the methods called, in order. */
  readonly calls: string[]
}

export async function startMultiplexingProxy(emulatorHost: string): Promise<MultiplexingProxy> {
  const client = new v1.SpannerClient(clientOptions({ emulatorHost }))
  const stub = (await client.initialize()) as unknown as Record<string, Call>
  const service = (stub.constructor as unknown as { service: grpc.ServiceDefinition }).service
  const calls: string[] = []
  const tokens = createTokens()
  const handlers: Record<string, grpc.handleUnaryCall<Message, Message>> = {}
  for (const [name, method] of Object.entries(service)) {
    if (method.requestStream || method.responseStream) continue
    const callName = `${name.charAt(0).toLowerCase()}${name.slice(1)}`
    handlers[name] = ({ request, metadata }, callback) => {
      calls.push(callName)
      const answer = tokens.answerCommit(callName, request)
      if (answer !== undefined) return callback(null, answer)
      const send = stub[callName] as Call
      send.call(stub, request, metadata, (error, response) => {
        if (error !== null) return callback(error as grpc.ServiceError)
        callback(null, tokens.decorate(callName, request, response))
      })
    }
  }
  const server = new grpc.Server()
  server.addService(service, handlers)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  const probe = connect(port, '127.0.0.1')
  await once(probe, 'connect')
  probe.destroy()
  return {
    host: `127.0.0.1:${port}`,
    calls,
    async [Symbol.asyncDispose]() {
      server.forceShutdown()
      await client.close()
    },
  }
}

function createTokens() {
  let newest = 0
  let demanded = false
  const next = (): Message => ({ precommitToken: Buffer.from('token'), seqNum: ++newest })
  return {
    /** Answers in place of the emulator: with a demand for a newer token, or with a refusal of an old one. */
    answerCommit(name: string, request: Message): Message | undefined {
      if (name !== 'commit' || (request['transactionId'] as Buffer | null)?.length === undefined) return undefined
      if ((request['transactionId'] as Buffer).length === 0) return undefined
      const token = request['precommitToken'] as { seqNum: number } | null
      if (token?.seqNum !== newest) throw new Error(`commit with token ${token?.seqNum}, want ${newest}`)
      if (demanded) return undefined
      demanded = true
      return { precommitToken: next() }
    },
    decorate(name: string, request: Message, response: Message): Message {
      if (name === 'createSession') {
        return { ...response, multiplexed: (request['session'] as Message)['multiplexed'] }
      }
      const inTransaction = (request['transaction'] as { id?: Buffer } | undefined)?.id?.length ?? 0
      if (name === 'beginTransaction' || inTransaction > 0) return { ...response, precommitToken: next() }
      return response
    },
  }
}
