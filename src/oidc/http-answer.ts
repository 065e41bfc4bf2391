import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'

/**
 * Sends the request and waits for the head of its answer; the body is not read. Always settles: Node closes a request without a
 * word when the server changes to another protocol (status 101) that nobody asked for.
 */
export function answerTo(request: ClientRequest, content?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve)
    request.on('error', reject)
    request.once('close', () => reject(new Error(`the request to ${request.host} ended without an answer`)))
    request.end(content)
  })
}

/** Reads a body whole; throws as soon as it is larger than `maxBytes`. */
export async function readBounded(body: Readable, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Leaving the loop destroys the stream, and with it the connection.
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > maxBytes) throw new Error(`the document is larger than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}
