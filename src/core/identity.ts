/** Who a verified token speaks for. Made by `oidc/` only after every check has passed. */
export interface Identity {
  /** The `id` of the issuer entry in the configuration; part of every principal. */
  readonly issuerId: string
  readonly kind: 'user' | 'client'
  /** Subject of a user, client id of a client acting for itself. */
  readonly subject: string
  /** The client that obtained the token, if the token says so. */
  readonly clientId?: string
  readonly groups: readonly string[]
  /** Values for `{{name}}` variables in subjects; own properties only. */
  readonly attributes: Readonly<Record<string, string>>
  /** A name for people, which no rule may look at. */
  readonly display?: string
  /** Who acts for the subject (RFC 8693 §4.1), the current actor first; never empty. */
  readonly actors?: readonly Actor[]
  readonly token: TokenFacts
}

/** Names its bearer in the words of the token; at least one of `subject` and `clientId` is there. */
export interface Actor {
  readonly subject?: string
  /** The `iss` of the actor; that of the token when absent. */
  readonly issuer?: string
  readonly clientId?: string
}

/** What an audit row may say about a token. Never the token. */
export interface TokenFacts {
  /** The `iss` claim. */
  readonly issuer?: string
  readonly subject?: string
  /** `jti`, or what the issuer uses for it. */
  readonly id?: string
  readonly keyId?: string
  readonly algorithm?: string
  readonly audience?: readonly string[]
  /** Epoch seconds. */
  readonly issuedAt?: number
  /** Epoch seconds. */
  readonly expiresAt?: number
  /** Lower-case hex SHA-256 of `header.payload` (never of the whole token: signatures are malleable). */
  readonly sha256?: string
}
