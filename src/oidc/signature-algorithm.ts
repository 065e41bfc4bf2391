/** The key that an algorithm needs, by `kty` and `crv` of the JWK. */
interface KeyShape {
  readonly kty: string
  readonly crv?: string
}

/**
 * Asymmetric signature algorithms of RFC 7518 §3.1, RFC 8037 and RFC 9864 that jose verifies. HMAC and `none` are not
 * here, so that no configuration can allow them: with HMAC, whoever can verify can forge.
 */
const SIGNATURE_ALGORITHMS: ReadonlyMap<string, KeyShape> = new Map<string, KeyShape>([
  ['RS256', { kty: 'RSA' }],
  ['RS384', { kty: 'RSA' }],
  ['RS512', { kty: 'RSA' }],
  ['PS256', { kty: 'RSA' }],
  ['PS384', { kty: 'RSA' }],
  ['PS512', { kty: 'RSA' }],
  ['ES256', { kty: 'EC', crv: 'P-256' }],
  ['ES384', { kty: 'EC', crv: 'P-384' }],
  ['ES512', { kty: 'EC', crv: 'P-521' }],
  ['EdDSA', { kty: 'OKP', crv: 'Ed25519' }],
  ['Ed25519', { kty: 'OKP', crv: 'Ed25519' }],
])

export function isSignatureAlgorithm(name: string): boolean {
  return SIGNATURE_ALGORITHMS.has(name)
}

/** Whether a key of this type and curve can verify signatures of this algorithm. */
export function algorithmFitsKey(algorithm: string, kty: unknown, crv: unknown): boolean {
  const shape = SIGNATURE_ALGORITHMS.get(algorithm)
  return shape !== undefined && shape.kty === kty && (shape.crv === undefined || shape.crv === crv)
}

/** Whether two names mean one algorithm: equal, or the polymorphic `EdDSA` and the `Ed25519` of RFC 9864 §2.2. */
export function isSameAlgorithm(one: unknown, other: string): boolean {
  return one === other || (isEd25519(one) && isEd25519(other))
}

function isEd25519(name: unknown): boolean {
  return name === 'EdDSA' || name === 'Ed25519'
}
