import { createReadStream } from 'node:fs'
import { request as requestHttp } from 'node:http'
import type { ClientRequest } from 'node:http'
import { request as requestHttps } from 'node:https'
import { answerTo, readBounded } from './http-answer.ts'
import { connectThroughProxy } from './http-tunnel.ts'

export interface FetchLimits {
  readonly maxBytes: number
  /** Ends the fetch, headers and body alike. */
  readonly signal: AbortSignal
}

export interface FetchRules extends FetchLimits {
  /** PEM; trusted in place of the certificates of the system. */
  readonly ca?: string
  /** Goes into the `authorization` header. The caller decides which hosts may see it. */
  readonly bearerToken?: string
  /** Of an HTTP proxy for https addresses; those in the clear are on this machine and reached directly. */
  readonly proxy?: URL
  /** Told the `Date` header of each answer, whatever its status. */
  readonly onDate?: (date: string | undefined) => void
}

/** Gets one document whole, or throws. Follows no redirect, accepts only status 200, never holds more than `maxBytes`. */
export type FetchDocument = (url: URL, rules: FetchRules) => Promise<Uint8Array>

/**
 * Over node's own client rather than `fetch`, because that takes a CA of its own for each issuer.
 * A connection for each document: they are minutes apart, and an idle socket would outlive the service.
 */
export const fetchHttpDocument: FetchDocument = async (url, rules) => {
  const response = await answerTo(await openRequest(url, rules))
  rules.onDate?.(response.headers.date)
  if (response.statusCode !== 200) {
    response.destroy()
    throw new Error(`${url.host} answered with status ${response.statusCode}`)
  }
  return readBounded(response, rules.maxBytes)
}

export async function readFileDocument(path: string, { maxBytes, signal }: FetchLimits): Promise<Uint8Array> {
  return readBounded(createReadStream(path, { signal }), maxBytes)
}

async function openRequest(url: URL, { signal, ca, bearerToken, proxy }: FetchRules): Promise<ClientRequest> {
  const options = {
    signal,
    headers: {
      accept: 'application/json',
      // Compression would let a small body become a large one behind the size limit.
      'accept-encoding': 'identity',
      ...(bearerToken === undefined ? {} : { authorization: `Bearer ${bearerToken}` }),
    },
  }
  if (url.protocol !== 'https:') return requestHttp(url, { ...options, agent: false })
  if (proxy === undefined) return requestHttps(url, { ...options, agent: false, ...(ca === undefined ? {} : { ca }) })
  const socket = await connectThroughProxy(url, proxy, signal, ca)
  return requestHttps(url, { ...options, createConnection: () => socket })
}
