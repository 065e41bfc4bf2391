import { createPrivateKey } from 'node:crypto'
import { SignJWT } from 'jose'
import type { IntrospectionClient } from './introspection-options.ts'
import { readText } from './issuer-document.ts'

/** What a request carries to say that it is ours. */
export interface ClientCredentials {
  /** The `authorization` header. */
  readonly authorization?: string
  /** Form parameters. */
  readonly parameters: Readonly<Record<string, string>>
}

/** Of a secret or a PEM file. */
const FILE_BYTES_MAX = 64 * 1024

/** VSCHAR of RFC 6749 A.2. */
const CLIENT_SECRET = /^[\x20-\x7e]+$/

/** Long enough for a slow issuer and clocks that differ, short enough that a leaked assertion is of no use. */
const ASSERTION_SECONDS = 60

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

export interface AssertionFacts {
  /** The `aud` of an assertion: the issuer identifier and nothing else, so that no other issuer can use it. */
  readonly issuer: string
  readonly nowMs: number
  /** Never the same twice. */
  readonly newId: () => string
  readonly signal: AbortSignal
}

/**
 * Authenticates the client: `client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1), `private_key_jwt` (RFC 7523
 * §2.2). Reads the file anew. Throws plain errors that name neither the secret nor the file.
 */
export async function authenticateClient(
  client: IntrospectionClient,
  facts: AssertionFacts,
): Promise<ClientCredentials> {
  if (client.method === 'private_key_jwt') {
    return {
      parameters: { client_assertion_type: ASSERTION_TYPE, client_assertion: await signAssertion(client, facts) },
    }
  }
  const secret = (await readText(client.secretFile, FILE_BYTES_MAX, facts.signal)).replace(/\r?\n$/, '')
  if (!CLIENT_SECRET.test(secret)) throw new Error('the file with the client secret holds none')
  if (client.method === 'client_secret_post') {
    return { parameters: { client_id: client.clientId, client_secret: secret } }
  }
  const pair = `${formEncode(client.clientId)}:${formEncode(secret)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}`, parameters: {} }
}

async function signAssertion(
  client: IntrospectionClient & { readonly method: 'private_key_jwt' },
  { issuer, nowMs, newId, signal }: AssertionFacts,
): Promise<string> {
  const pem = await readText(client.keyFile, FILE_BYTES_MAX, signal)
  const issuedAt = Math.floor(nowMs / 1000)
  try {
    return await new SignJWT()
      .setProtectedHeader({ alg: client.algorithm, ...(client.keyId === undefined ? {} : { kid: client.keyId }) })
      .setIssuer(client.clientId)
      .setSubject(client.clientId)
      .setAudience(issuer)
      .setJti(newId())
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ASSERTION_SECONDS)
      .sign(createPrivateKey(pem))
  } catch (error) {
    throw new Error(`the private key of the client cannot sign with ${client.algorithm}`, { cause: error })
  }
}

/** `application/x-www-form-urlencoded`, which RFC 6749 §2.3.1 asks for inside of Basic as well. */
function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
