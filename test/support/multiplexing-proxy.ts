import { startGrpcProxy, type GrpcProxy } from './grpc-proxy.ts'

type Message = Record<string, unknown>

/**
 * Adds what the emulator lacks: it takes sessions as multiplexed, and wants the newest precommit token with each commit of a
 * transaction, asking once for a newer one, as spanner.proto describes.
 */
export function startMultiplexingProxy(emulatorHost: string): Promise<GrpcProxy> {
  const tokens = createTokens()
  return startGrpcProxy(
    emulatorHost,
    (name, request) => tokens.answerCommit(name, request),
    (name, request, response) => tokens.decorate(name, request, response),
  )
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
