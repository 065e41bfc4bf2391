import type { AuthorizationRequest } from '../core/request.ts'
import type { SigningKey } from './keys.ts'

/** A key, and the account that it signs for when that is not the key itself to nats-server. */
export interface Signer {
  readonly key: SigningKey
  /** `A…`, operator mode only: nats-server refuses the claim in server-configuration mode. */
  readonly issuerAccount?: string
}

/** Who signs what, in one of the two modes of nats-server. */
export interface Signers {
  readonly mode: 'server-configuration' | 'operator'
  /** What the `sub` of a request for us may be. */
  readonly issuerKeys: ReadonlySet<string>
  /** Throws `TypeError` when the request names an issuer that is not one of `issuerKeys`. */
  ofResponse(request: AuthorizationRequest): Signer
  /** For a user JWT that places the client in `account`. Throws `TypeError` when we hold no key for that. */
  ofUserJwt(request: AuthorizationRequest, account: string): Signer
}

/** The key of an account in which clients live, and the account's own public key; the two may be the same key. */
export interface AccountSigner {
  readonly publicKey: string
  readonly key: SigningKey
}

/**
 * Server-configuration mode: a request names the issuer it wants, one key signs both JWTs and may place a client in any
 * account (nats-server `server/auth_callout.go`).
 */
export function serverConfigurationSigners(keys: readonly SigningKey[]): Signers {
  const byPublicKey = new Map(keys.map((key) => [key.publicKey, key]))
  const signerFor = ({ issuerKey }: AuthorizationRequest): Signer => {
    const key = byPublicKey.get(issuerKey)
    if (key === undefined) throw new TypeError('the request names an issuer whose seed is not loaded')
    return { key }
  }
  return {
    mode: 'server-configuration',
    issuerKeys: new Set(byPublicKey.keys()),
    ofResponse: signerFor,
    ofUserJwt: signerFor,
  }
}

/**
 * Operator mode: a request names the callout account, a key of that account signs the response, and a key of the
 * target account the user JWT. Whether these are signing keys of their accounts only nats-server knows, from the account
 * JWTs. `issuer_account` stands in both JWTs: a signing key needs it, and an identity key without it would be taken for
 * an account to place the client in.
 */
export function operatorSigners(callout: AccountSigner, accounts: ReadonlyMap<string, AccountSigner>): Signers {
  return {
    mode: 'operator',
    issuerKeys: new Set([callout.publicKey]),
    ofResponse(request) {
      if (request.issuerKey !== callout.publicKey) throw new TypeError('the request names another callout account')
      return { key: callout.key, issuerAccount: callout.publicKey }
    },
    ofUserJwt(_request, account) {
      const signer = accounts.get(account)
      if (signer === undefined) throw new TypeError('an allow names an account without a key')
      return { key: signer.key, issuerAccount: signer.publicKey }
    },
  }
}
