import { createReadStream } from 'node:fs'
import { request as requestHttp } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Readable } from 'node:stream'

export interface FetchLimits {
  readonly maxBytes: number
  /** Ends the fetch, headers and body alike. */
  readonly signal: AbortSignal
}

/** Gets one document whole, or throws. Follows no redirect, accepts only status 200, never holds more than `maxBytes`. */
export type FetchDocument = (url: URL, limits: FetchLimits) => Promise<Uint8Array>

/**
 * Over node's own client rather than `fetch`, because that takes a CA of its own for each issuer.
 * A connection for each document: they are minutes apart, and an idle socket would outlive the service.
 */
export const fetchHttpDocument: FetchDocument = async (url, { maxBytes, signal }) => {
  const response = await openHttp(url, signal)
  if (response.statusCode !== 200) {
    response.destroy()
    throw new Error(`${url.host} answered with status ${response.statusCode}`)
  }
  return readBounded(response, maxBytes)
}

export async function readFileDocument(path: string, { maxBytes, signal }: FetchLimits): Promise<Uint8Array> {
  return readBounded(createReadStream(path, { signal }), maxBytes)
}

function openHttp(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const open = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const request = open(url, {
      agent: false,
      signal,
      // Compression would let a small body become a large one behind the size limit.
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    })
    request.once('response', resolve)
    request.on('error', reject)
    request.end()
  })
}

async function readBounded(body: Readable, maxBytes: number): Promise<Uint8Array> {
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
