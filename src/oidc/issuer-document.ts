import type { Clock } from '../service/ports.ts'
import { readFileDocument } from './document-fetch.ts'
import type { FetchDocument, FetchLimits, FetchRules } from './document-fetch.ts'
import type { IssuerOptions } from './issuer-options.ts'
import { isHostListed } from './key-url.ts'
import { parseJsonObject } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

type HttpRules = IssuerOptions['http']

/** A bundle of every public certificate authority has some 220 KiB. */
const CA_BYTES_MAX = 1024 * 1024

/** Tokens of Kubernetes service accounts have one to two KiB. */
const BEARER_TOKEN_BYTES_MAX = 16 * 1024

/** `b64token` of RFC 6750 §2.1: nothing that could end the header. */
const BEARER_TOKEN = /^[A-Za-z0-9._~+/-]+=*$/

/** Gets one JSON object that the issuer publishes; `configured` is the address that the configuration led to first. */
export type DocumentReader = (url: URL, configured: URL, signal: AbortSignal) => Promise<JsonObject>

/**
 * Reads documents under the `http` rules of an issuer entry: only hosts that may be asked, the bearer token only to the
 * configured and the allowed ones, each document whole within `timeoutMs`. Throws plain errors that are safe to log.
 */
export function createDocumentReader(http: HttpRules, clock: Clock, fetchDocument: FetchDocument): DocumentReader {
  return async (url, configured, signal) => {
    requireAllowedHost(url, http)
    const mayTell = url.origin === configured.origin || http.allowedHosts !== undefined
    return readJson(http, clock, signal, async (limits) => fetchDocument(url, await fetchRules(http, limits, mayTell)))
  }
}

/** With `allowedHosts` no other host is asked, whatever the metadata says. */
export function requireAllowedHost(url: URL, { allowedHosts }: HttpRules): void {
  const mayAsk = allowedHosts === undefined || isHostListed(url, allowedHosts)
  if (!mayAsk) throw new Error(`${url.host} is not an allowed host`)
}

/** Reads the files of the entry anew each time, so that a rotated certificate or token needs no restart. */
async function fetchRules(http: HttpRules, limits: FetchLimits, mayTell: boolean): Promise<FetchRules> {
  const { bearerTokenFile } = http
  return {
    ...(await connectionRules(http, limits)),
    ...(bearerTokenFile === undefined || !mayTell
      ? {}
      : { bearerToken: await readBearerToken(bearerTokenFile, limits.signal) }),
  }
}

/** How a host is reached, whatever it is asked. */
export async function connectionRules({ caFile, proxy }: HttpRules, limits: FetchLimits): Promise<FetchRules> {
  return {
    ...limits,
    ...(caFile === undefined ? {} : { ca: await readText(caFile, CA_BYTES_MAX, limits.signal) }),
    ...(proxy === undefined ? {} : { proxy: new URL(proxy) }),
  }
}

async function readBearerToken(path: string, signal: AbortSignal): Promise<string> {
  const token = (await readText(path, BEARER_TOKEN_BYTES_MAX, signal)).trim()
  if (!BEARER_TOKEN.test(token)) throw new Error('the file with the bearer token holds none')
  return token
}

export async function readText(path: string, maxBytes: number, signal: AbortSignal): Promise<string> {
  const bytes = await readFileDocument(path, { maxBytes, signal })
  return Buffer.from(bytes).toString('utf8')
}

/** Parses what `get` returns, which has `timeoutMs` for it. */
export async function readJson(
  http: HttpRules,
  clock: Clock,
  signal: AbortSignal,
  get: (limits: FetchLimits) => Promise<Uint8Array>,
): Promise<JsonObject> {
  const parsed = parseJsonObject(await withinTimeout(http, clock, signal, get))
  if ('fault' in parsed) throw new Error(`the document ${parsed.fault}`)
  return parsed.object
}

/** Runs one request under the limits of `http`; one that outlasts them ends, and the message says so. */
export async function withinTimeout<T>(
  { timeoutMs, maxBytes }: HttpRules,
  clock: Clock,
  signal: AbortSignal,
  run: (limits: FetchLimits) => Promise<T>,
): Promise<T> {
  const timeout = new AbortController()
  const cancel = clock.after(timeoutMs, () => timeout.abort())
  try {
    return await run({ maxBytes, signal: AbortSignal.any([signal, timeout.signal]) })
  } catch (error) {
    if (timeout.signal.aborted) throw new Error(`no complete answer within ${timeoutMs} ms`, { cause: error })
    throw error
  } finally {
    cancel()
  }
}
