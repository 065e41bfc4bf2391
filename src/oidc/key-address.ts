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
  /** Which address of the metadata is wanted. */
  readonly member: 'jwks_uri' | 'introspection_endpoint'
  readonly monotonicMs: () => number
  readonly readMetadata: (url: URL, signal: AbortSignal) => Promise<JsonObject>
}

/** Where the keys of an issuer are, or what else its metadata name, remembered so that neither a refresh nor a backoff step costs two requests. */
export interface KeyAddress {
  /** Asks the metadata only for the first address, after a day, and after failures. Throws when they give no address. */
  locate(signal: AbortSignal): Promise<URL>
  /** To be told how the fetch from the address went. */
  report(outcome: 'fetched' | 'failed'): void
}

/**
 * A discovery document is asked for its `issuer`, which must be the configured one byte for byte (OIDC Discovery 1.0
 * §4.3), and for the one address that is wanted, and believed in nothing else.
 */
export function createKeyAddress(options: KeyAddressOptions): KeyAddress {
  const { metadataUrl, monotonicMs, readMetadata } = options
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
      const url = readAddress(await readMetadata(metadataUrl, signal), options)
      known = { url, askedAtMs: monotonicMs() }
      if (isDoubted && before?.url.href === url.href)
        throw new Error(`no answer at the "${options.member}" of the issuer`)
      return url
    },
    report(outcome) {
      failuresInRow = outcome === 'fetched' ? 0 : failuresInRow + 1
    },
  }
}

function readAddress(metadata: JsonObject, { issuer, metadataUrl, member }: KeyAddressOptions): URL {
  if (readMember(metadata, 'issuer') !== issuer) throw new Error('the discovery document is for another issuer')
  const address = readMember(metadata, member)
  if (typeof address !== 'string') throw new Error(`the discovery document has no "${member}"`)
  const url = requireKeyUrl(address, member === 'jwks_uri' ? undefined : `"${member}"`)
  // Loopback in the clear is for local set-ups; a remote document must not lead us to ports of this machine.
  if (isLoopbackHttp(url) && !isLoopbackHttp(metadataUrl)) throw new Error(`"${member}" must be https`)
  return url
}

export function requireKeyUrl(address: string, what = 'the address of the keys'): URL {
  const url = parseKeyUrl(address)
  if (typeof url === 'string') throw new Error(`${what} ${url}`)
  return url
}
