import type { Clock } from '../service/ports.ts'
import { authenticateClient } from './client-authentication.ts'
import type { FetchDocument } from './document-fetch.ts'
import type { FormAnswer, FormClient } from './form-post.ts'
import { metadataAddress } from './introspection-options.ts'
import type { IntrospectionOptions } from './introspection-options.ts'
import { connectionRules, createDocumentReader, requireAllowedHost, withinTimeout } from './issuer-document.ts'
import type { IssuerOptions } from './issuer-options.ts'
import { createKeyAddress, requireKeyUrl } from './key-address.ts'
import type { KeyAddress } from './key-address.ts'
import { parseJsonObject, readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

/** What the issuer says about a token. */
export type TokenStatus =
  { readonly active: false } | { readonly active: true; readonly claims: JsonObject; readonly bytes: number }

export interface IntrospectionEndpoint {
  /** Asks the issuer about one token, once. Throws plain errors, safe to log, when there is no usable answer. */
  ask(token: string, signal: AbortSignal): Promise<TokenStatus>
  /** To be told how a question went that no client can spoil; after failures in a row the address is looked up again. */
  report(outcome: 'fetched' | 'failed'): void
}

/** An entry with introspection. */
export type IntrospectedIssuer = Pick<IssuerOptions, 'issuer' | 'keys' | 'http'> & {
  readonly introspection: IntrospectionOptions
}

export interface EndpointOptions {
  readonly owner: IntrospectedIssuer
  readonly clock: Clock
  readonly formClient: FormClient
  readonly fetchDocument: FetchDocument
  readonly newId: () => string
}

/**
 * The introspection endpoint of an issuer (RFC 7662 §2), under the `http` rules of its entry: the question and all its
 * files have `timeoutMs`, and so has each document that leads to the address.
 */
export function createIntrospectionEndpoint(options: EndpointOptions): IntrospectionEndpoint {
  const { owner, clock, formClient, newId } = options
  const { issuer, http, introspection } = owner
  const address = createAddress(options)
  return {
    async ask(token, signal) {
      const url = await address.locate(signal)
      requireAllowedHost(url, http)
      const answer = await withinTimeout(http, clock, signal, async (limits) => {
        const facts = { issuer, nowMs: clock.nowMs(), newId, signal: limits.signal }
        const { parameters, authorization } = await authenticateClient(introspection.client, facts)
        const form = {
          parameters: { token, token_type_hint: 'access_token', ...parameters },
          ...(authorization === undefined ? {} : { authorization }),
        }
        return formClient.post(url, form, await connectionRules(http, limits))
      })
      return readAnswer(url, answer)
    },
    report: (outcome) => address.report(outcome),
  }
}

/** However many tokens wait for the address, the metadata are asked once. */
function createAddress({ owner, clock, fetchDocument }: EndpointOptions): KeyAddress {
  const { issuer, keys, http, introspection } = owner
  if (introspection.endpoint !== undefined) {
    const url = requireKeyUrl(introspection.endpoint, 'the introspection endpoint')
    return { locate: () => Promise.resolve(url), report() {} }
  }
  const read = createDocumentReader(http, clock, fetchDocument)
  const address = createKeyAddress({
    issuer,
    metadataUrl: requireKeyUrl(metadataAddress(issuer, keys), 'the address of the metadata'),
    member: 'introspection_endpoint',
    monotonicMs: () => clock.monotonicMs(),
    readMetadata: async (url, signal) => read(url, url, signal),
  })
  let locating: Promise<URL> | undefined
  return {
    locate(signal) {
      locating ??= address.locate(signal).finally(() => {
        locating = undefined
      })
      return locating
    },
    report: (outcome) => address.report(outcome),
  }
}

/** RFC 7662 §2.2. `active` must be a boolean: a text that says "true" is an answer of something else. */
function readAnswer({ host }: URL, { status, mediaType, body }: FormAnswer): TokenStatus {
  if (status === 401 || status === 403) throw new Error(`${host} refuses our client credentials (status ${status})`)
  if (status !== 200) throw new Error(`${host} answered with status ${status}`)
  if (mediaType !== 'application/json') throw new Error(`${host} answered with something else than JSON`)
  const parsed = parseJsonObject(body)
  if ('fault' in parsed) throw new Error(`the answer of ${host} ${parsed.fault}`)
  const active = readMember(parsed.object, 'active')
  if (active === false) return { active }
  if (active === true) return { active, claims: parsed.object, bytes: body.byteLength }
  throw new Error(`the answer of ${host} does not say whether the token is active`)
}
