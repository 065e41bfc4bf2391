import type { Clock } from '../service/ports.ts'
import { readFileDocument } from './document-fetch.ts'
import type { FetchDocument, FetchLimits, FetchRules } from './document-fetch.ts'
import type { IssuerOptions } from './issuer-options.ts'
import { createKeyAddress, requireKeyUrl } from './key-address.ts'
import { isHostListed, wellKnownUrl } from './key-url.ts'
import { parseJsonObject } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'
import { importWebKeys } from './web-key.ts'
import type { WebKey } from './web-key.ts'

/** Where the keys of one issuer come from, and how often they may be asked for. */
export interface KeySource {
  readonly refresh: IssuerOptions['refresh']
  /** Obtains the current keys, at least one of them usable, or throws with the reason. */
  load(signal: AbortSignal): Promise<readonly WebKey[]>
}

/** A bundle of every public certificate authority has some 220 KiB. */
const CA_BYTES_MAX = 1024 * 1024

/** Tokens of Kubernetes service accounts have one to two KiB. */
const BEARER_TOKEN_BYTES_MAX = 16 * 1024

/** `b64token` of RFC 6750 §2.1: nothing that could end the header. */
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]+=*$/

type KeyOwner = Pick<IssuerOptions, 'issuer' | 'keys' | 'algorithms' | 'http' | 'refresh'>

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
  const get = (url: URL, configured: URL, signal: AbortSignal): Promise<JsonObject> => {
    const mayAsk = http.allowedHosts === undefined || isHostListed(url, http.allowedHosts)
    if (!mayAsk) throw new Error(`${url.host} is not an allowed host`)
    const mayTell = url.origin === configured.origin || http.allowedHosts !== undefined
    return readJson(http, clock, signal, async (limits) => fetchDocument(url, await fetchRules(http, limits, mayTell)))
  }
  if ('jwksUri' in keys) {
    const url = requireKeyUrl(keys.jwksUri)
    return { refresh, load: async (signal) => importWebKeys(await get(url, url, signal), algorithms, issuer) }
  }
  const metadataUrl = requireKeyUrl(keys.discovery.url ?? wellKnownUrl(issuer))
  const address = createKeyAddress({
    issuer,
    metadataUrl,
    monotonicMs: () => clock.monotonicMs(),
    readMetadata: async (url, signal) => get(url, url, signal),
  })
  return {
    refresh,
    async load(signal) {
      const url = await address.locate(signal)
      try {
        const found = await importWebKeys(await get(url, metadataUrl, signal), algorithms, issuer)
        address.report('fetched')
        return found
      } catch (error) {
        address.report('failed')
        throw error
      }
    },
  }
}

/** Reads the files of the entry anew each time, so that a rotated certificate or token needs no restart. */
async function fetchRules(http: IssuerOptions['http'], limits: FetchLimits, mayTell: boolean): Promise<FetchRules> {
  const { caFile, bearerTokenFile, proxy } = http
  return {
    ...limits,
    ...(caFile === undefined ? {} : { ca: await readText(caFile, CA_BYTES_MAX, limits.signal) }),
    ...(bearerTokenFile === undefined || !mayTell
      ? {}
      : { bearerToken: await readBearerToken(bearerTokenFile, limits.signal) }),
    ...(proxy === undefined ? {} : { proxy: new URL(proxy) }),
  }
}

async function readBearerToken(path: string, signal: AbortSignal): Promise<string> {
  const token = (await readText(path, BEARER_TOKEN_BYTES_MAX, signal)).trim()
  if (!BEARER_TOKEN.test(token)) throw new Error('the file with the bearer token holds none')
  return token
}

async function readText(path: string, maxBytes: number, signal: AbortSignal): Promise<string> {
  const bytes = await readFileDocument(path, { maxBytes, signal })
  return Buffer.from(bytes).toString('utf8')
}

async function readJson(
  { timeoutMs, maxBytes }: IssuerOptions['http'],
  clock: Clock,
  signal: AbortSignal,
  get: (limits: FetchLimits) => Promise<Uint8Array>,
): Promise<JsonObject> {
  const timeout = new AbortController()
  const cancel = clock.after(timeoutMs, () => timeout.abort())
  try {
    const parsed = parseJsonObject(await get({ maxBytes, signal: AbortSignal.any([signal, timeout.signal]) }))
    if ('fault' in parsed) throw new Error(`the document ${parsed.fault}`)
    return parsed.object
  } catch (error) {
    if (timeout.signal.aborted) throw new Error(`no complete answer within ${timeoutMs} ms`, { cause: error })
    throw error
  } finally {
    cancel()
  }
}
