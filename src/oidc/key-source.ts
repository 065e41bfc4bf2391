import type { Clock } from '../service/ports.ts'
import { readFileDocument } from './document-fetch.ts'
import type { FetchDocument, FetchLimits } from './document-fetch.ts'
import type { IssuerOptions } from './issuer-options.ts'
import { isLoopbackHttp, parseKeyUrl, wellKnownUrl } from './key-url.ts'
import { parseJsonObject, readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'
import { importWebKeys } from './web-key.ts'
import type { WebKey } from './web-key.ts'

/** Obtains the current keys of an issuer, at least one of them usable, or throws with the reason. */
export type KeySource = (signal: AbortSignal) => Promise<readonly WebKey[]>

/** The largest real key sets, with certificate chains, have some 30 KiB. */
const DOCUMENT_BYTES_MAX = 256 * 1024

type KeyOwner = Pick<IssuerOptions, 'issuer' | 'keys' | 'algorithms' | 'http'>

/**
 * Reads keys from the place that the issuer entry names. A discovery document is asked for its `issuer`, which must be
 * the configured one byte for byte (OIDC Discovery 1.0 §4.3), and for its `jwks_uri`, and believed in nothing else.
 * Each document has `http.timeoutMs` from first to last byte. Throws plain errors whose messages are safe to log.
 */
export function createKeySource(owner: KeyOwner, clock: Clock, fetchDocument: FetchDocument): KeySource {
  const read = (get: (limits: FetchLimits) => Promise<Uint8Array>, signal: AbortSignal): Promise<JsonObject> =>
    readWithin(owner.http.timeoutMs, clock, signal, get)

  const locate = async (signal: AbortSignal): Promise<URL> => {
    const { keys } = owner
    if ('jwksUri' in keys) return requireKeyUrl(keys.jwksUri)
    if ('jwksFile' in keys) throw new TypeError('a key file has no address')
    const metadataUrl = requireKeyUrl(keys.discovery.url ?? wellKnownUrl(owner.issuer))
    const metadata = await read((limits) => fetchDocument(metadataUrl, limits), signal)
    return readKeyAddress(metadata, owner.issuer, metadataUrl)
  }

  return async (signal) => {
    const { keys } = owner
    if ('jwksFile' in keys) {
      return importWebKeys(await read((limits) => readFileDocument(keys.jwksFile, limits), signal), owner.algorithms)
    }
    const url = await locate(signal)
    return importWebKeys(await read((limits) => fetchDocument(url, limits), signal), owner.algorithms)
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

function requireKeyUrl(address: string): URL {
  const url = parseKeyUrl(address)
  if (typeof url === 'string') throw new Error(`the address of the keys ${url}`)
  return url
}

async function readWithin(
  timeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
  get: (limits: FetchLimits) => Promise<Uint8Array>,
): Promise<JsonObject> {
  const timeout = new AbortController()
  const cancel = clock.after(timeoutMs, () => timeout.abort())
  try {
    const bytes = await get({ maxBytes: DOCUMENT_BYTES_MAX, signal: AbortSignal.any([signal, timeout.signal]) })
    const parsed = parseJsonObject(bytes)
    if ('fault' in parsed) throw new Error(`the document ${parsed.fault}`)
    return parsed.object
  } catch (error) {
    if (timeout.signal.aborted) throw new Error(`no complete answer within ${timeoutMs} ms`, { cause: error })
    throw error
  } finally {
    cancel()
  }
}
