/** Places in the CONNECT options of a client where nats-server may hand us a token. */
export type TokenSource = 'auth_token' | 'password'

/**
 * A genuine authorization request, as we use it: opened, verified and mapped from the wire by `nats/`.
 * Every string that the client chose is attacker text, as long as nats-server takes it (`max_control_line`); nothing is repaired.
 * Source of the fields: nats-server `server/auth_callout.go`, nats-io/jwt `v2/authorization_claims.go`.
 */
export interface AuthorizationRequest {
  /** Fresh `U…` key of this attempt, made by the server: the `sub` of user JWT and response. */
  readonly userNkey: string
  /** Public `A…` key of the issuer that this server expects; one of ours. */
  readonly issuerKey: string
  readonly server: {
    readonly id: string
    readonly name: string
    readonly version?: string
    readonly cluster?: string
  }
  readonly client: {
    /** Connection id (CID) on `server.id`; together they name the connection for KICK and CONNZ. */
    readonly connectionId: number
    readonly host: string
    /** `Client` or `Leafnode`. */
    readonly kind: string
    /** `nats`, `websocket` or `mqtt`; absent for leaf nodes. */
    readonly connectionType?: string
    readonly name?: string
    readonly lang?: string
    readonly version?: string
    /** TLS version as the server words it; absent on a connection without TLS. */
    readonly tlsVersion?: string
    /** Present when the client showed a certificate that the server verified (mutual TLS). */
    readonly hasVerifiedCertificate?: true
    /** Thumbprint of the client's certificate as in RFC 8705 §3.1 (`x5t#S256`); absent without mutual TLS. */
    readonly certificateSha256?: string
  }
  /** What the client sent as credentials. Secret; never logged, recorded or put in an error. */
  readonly credentials: {
    readonly authToken?: string
    readonly password?: string
    /** User name: names the wanted account when grants lie in several. Never proof of anything. */
    readonly user?: string
  }
}
