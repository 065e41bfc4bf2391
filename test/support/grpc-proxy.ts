import { once } from 'node:events'
import { connect } from 'node:net'
import { v1 } from '@google-cloud/spanner-api'
import { grpc } from 'google-gax'
import { clientOptions } from '../../src/spanner/endpoint.ts'

type Message = Record<string, unknown>
type Call = (request: Message, metadata: grpc.Metadata, callback: (error: unknown, response: Message) => void) => void
type StreamingCall = (request: Message, metadata: grpc.Metadata) => grpc.ClientReadableStream<Message>

/** Answers in place of the emulator: with a message, or with an error. Undefined lets the call through. */
export type Intercept = (callName: string, request: Record<string, unknown>) => Message | grpc.ServiceError | undefined

/** Calls that a proxy passed on or answered, in order. */
export interface GrpcProxy extends AsyncDisposable {
  /** `127.0.0.1:<port>` */
  readonly host: string
  /** Names of the methods called, in order. */
  readonly calls: string[]
}

/** A gRPC proxy in front of a real emulator. An answer of many parts is passed on as it is. */
export async function startGrpcProxy(
  emulatorHost: string,
  intercept: Intercept,
  decorate: (callName: string, request: Message, response: Message) => Message = (_name, _request, response) =>
    response,
): Promise<GrpcProxy> {
  const client = new v1.SpannerClient(clientOptions({ emulatorHost }))
  const stub = (await client.initialize()) as unknown as Record<string, Call & StreamingCall>
  const service = (stub.constructor as unknown as { service: grpc.ServiceDefinition }).service
  const calls: string[] = []
  const handlers: Record<string, grpc.UntypedHandleCall> = {}
  for (const [name, method] of Object.entries(service)) {
    if (method.requestStream) continue
    const callName = `${name.charAt(0).toLowerCase()}${name.slice(1)}`
    if (method.responseStream) {
      handlers[name] = ((call) => {
        calls.push(callName)
        const answer = intercept(callName, call.request)
        if (answer instanceof Error) {
          call.destroy(answer)
          return
        }
        const parts = (stub[callName] as StreamingCall).call(stub, call.request, call.metadata)
        call.on('cancelled', () => parts.cancel())
        parts.on('data', (part: Message) => call.write(part))
        parts.on('error', (error) => call.destroy(error))
        parts.on('end', () => call.end())
      }) satisfies grpc.handleServerStreamingCall<Message, Message>
      continue
    }
    handlers[name] = (({ request, metadata }, callback) => {
      calls.push(callName)
      const answer = intercept(callName, request)
      if (answer instanceof Error) return callback(answer)
      if (answer !== undefined) return callback(null, answer)
      const send = stub[callName] as Call
      send.call(stub, request, metadata, (error, response) => {
        if (error !== null) return callback(error as grpc.ServiceError)
        callback(null, decorate(callName, request, response))
      })
    }) satisfies grpc.handleUnaryCall<Message, Message>
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
