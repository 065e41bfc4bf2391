import type { Clock } from '../service/ports.ts'
import { readFileDocument } from './document-fetch.ts'
import type { FetchDocument, FetchLimits } from './document-fetch.ts'
import { createDocumentReader, readJson } from './issuer-document.ts'
import type { IssuerOptions, KeyOrigin } from './issuer-options.ts'
import { createKeyAddress, requireKeyUrl } from './key-address.ts'
import { wellKnownUrl } from './key-url.ts'
import { importWebKeys } from './web-key.ts'
import type { WebKey } from './web-key.ts'

/** Where the keys of one issuer come from, and how often they may be asked for. */
export interface KeySource {
  readonly refresh: IssuerOptions['refresh']
  /** Obtains the current keys, at least one of them usable, or throws with the reason. */
  load(signal: AbortSignal): Promise<readonly WebKey[]>
}

type KeyOwner = Pick<IssuerOptions, 'issuer' | 'algorithms' | 'http' | 'refresh'> & { readonly keys: KeyOrigin }

/**
 * Reads keys from the place that the issuer entry names. With `http.allowedHosts` no other host is asked; without it,
 * any https host that the issuer's own metadata name. The bearer token goes to the configured host and the allowed ones
 * only: metadata cannot lead it elsewhere.
 * Each document has `http.timeoutMs` from first to last byte. Throws plain errors whose messages are safe to log.
 */
export function createKeySource(owner: KeyOwner, clock: Clock, fetchDocument: FetchDocument): KeySource {
  const { keys, issuer, algorithms, http, refresh } = owner
  if ('jwksFile' in keys) {
    const read = (limits: FetchLimits): Promise<Uint8Array> => readFileDocument(keys.jwksFile, limits)
    return {
      refresh,
      load: async (signal) => importWebKeys(await readJson(http, clock, signal, read), algorithms, issuer),
    }
  }
  const get = createDocumentReader(http, clock, fetchDocument)
  if ('jwksUri' in keys) {
    const url = requireKeyUrl(keys.jwksUri)
    return { refresh, load: async (signal) => importWebKeys(await get(url, url, signal), algorithms, issuer) }
  }
  const metadataUrl = requireKeyUrl(keys.discovery.url ?? wellKnownUrl(issuer))
  const address = createKeyAddress({
    issuer,
    metadataUrl,
    member: 'jwks_uri',
    monotonicMs: () => clock.monotonicMs(),
    readMetadata: async (url, signal) => get(url, url, signal),
  })
  return {
    refresh,
    async load(signal) {
      const url = await address.locate(signal)
      try {
        const found = importWebKeys(await get(url, metadataUrl, signal), algorithms, issuer)
        address.report('fetched')
        return found
      } catch (error) {
        address.report('failed')
        throw error
      }
    },
  }
}
