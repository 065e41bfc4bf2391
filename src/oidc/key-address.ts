import { isLoopbackHttp, parseKeyUrl } from './key-url.ts'
import { readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

/** Issuers move their keys on the scale of years; a day keeps a refresh at one request and follows a move by tomorrow. */
export const ADDRESS_MAX_AGE_MS = 24 * 3_600_000

/** After so many failures in a row at one address, one backoff step goes to the question whether it is still right. */
export const FAILURES_BEFORE_NEW_ADDRESS = 5

export interface KeyAddressOptions {
  readonly issuer: string
  readonly metadataUrl: URL
  readonly monotonicMs: () => number
  readonly readMetadata: (url: URL, signal: AbortSignal) => Promise<JsonObject>
}

/** Where the keys of an issuer are, remembered so that neither a refresh nor a backoff step costs two requests. */
export interface KeyAddress {
  /** Asks the metadata only for the first address, after a day, and after failures. Throws when they give no address. */
  locate(signal: AbortSignal): Promise<URL>
  /** To be told how the fetch from the address went. */
  report(outcome: 'fetched' | 'failed'): void
}

/**
 * A discovery document is asked for its `issuer`, which must be the configured one byte for byte (OIDC Discovery 1.0
 * §4.3), and for its `jwks_uri`, and believed in nothing else.
 */
export function createKeyAddress({ issuer, metadataUrl, monotonicMs, readMetadata }: KeyAddressOptions): KeyAddress {
  let known: { readonly url: URL; readonly askedAtMs: number } | undefined
  let failuresInRow = 0

  return {
    async locate(signal) {
      const before = known
      const isDoubted = failuresInRow >= FAILURES_BEFORE_NEW_ADDRESS
      if (before !== undefined && !isDoubted && monotonicMs() - before.askedAtMs < ADDRESS_MAX_AGE_MS) return before.url
      // What is known stays in use when the metadata cannot be had: then the next step asks for the keys again.
      if (before !== undefined) known = { url: before.url, askedAtMs: monotonicMs() }
      failuresInRow = 0
      const url = readKeyAddress(await readMetadata(metadataUrl, signal), issuer, metadataUrl)
      known = { url, askedAtMs: monotonicMs() }
      if (isDoubted && before?.url.href === url.href)
        throw new Error('the keys could not be fetched where they should be')
      return url
    },
    report(outcome) {
      failuresInRow = outcome === 'fetched' ? 0 : failuresInRow + 1
    },
  }
}

function readKeyAddress(metadata: JsonObject, issuer: string, metadataUrl: URL): URL {
  if (readMember(metadata, 'issuer') !== issuer) throw new Error('the discovery document is for another issuer')
  const address = readMember(metadata, 'jwks_uri')
  if (typeof address !== 'string') throw new Error('the discovery document has no "jwks_uri"')
  const url = requireKeyUrl(address)
  // Loopback in the clear is for local set-ups; a remote document must not lead us to ports of this machine.
  if (isLoopbackHttp(url) && !isLoopbackHttp(metadataUrl)) throw new Error('"jwks_uri" must be https')
  return url
}

export function requireKeyUrl(address: string): URL {
  const url = parseKeyUrl(address)
  if (typeof url === 'string') throw new Error(`the address of the keys ${url}`)
  return url
}
