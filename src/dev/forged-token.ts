import { CompactSign, decodeProtectedHeader, generateKeyPair } from 'jose'
import type { CompactJWSHeaderParameters } from 'jose'

/**
 * The token as an attacker would forge it: the same header (key id included) and the same claims, signed with a key that
 * the issuer does not have.
 */
export async function forgeSignature(token: string): Promise<string> {
  const header = decodeProtectedHeader(token) as CompactJWSHeaderParameters
  const { privateKey } = await generateKeyPair(header.alg)
  const claims = Buffer.from(token.split('.')[1] ?? '', 'base64url')
  return new CompactSign(claims).setProtectedHeader(header).sign(privateKey)
}
