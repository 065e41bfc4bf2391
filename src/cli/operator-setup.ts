import { encodeAccount, encodeOperator, encodeUser, fmtCreds, type Account } from '@nats-io/jwt'
import { createAccount, createCurve, createOperator, createUser, type KeyPair } from '@nats-io/nkeys'

/** Keys of an account in which clients live. */
export interface ClientAccountKeys {
  /** Names the account for ever; not needed by any running process. */
  readonly identity: KeyPair
  /** With it the service signs the user JWTs of this account. */
  readonly signing: KeyPair
}

/** Every key of an operator-mode set-up. */
export interface OperatorKeys {
  readonly operator: KeyPair
  /** Signs the JWTs of the accounts in place of the operator's identity. */
  readonly operatorSigning: KeyPair
  readonly systemAccount: KeyPair
  readonly systemUser: KeyPair
  readonly calloutAccount: KeyPair
  /** Signing key of the callout account: signs the answers. */
  readonly issuer: KeyPair
  readonly xkey: KeyPair
  readonly serviceUser: KeyPair
  /** The service in the system account. */
  readonly serviceSystemUser: KeyPair
  readonly sentinel: KeyPair
  /** By the names that grants use. */
  readonly accounts: ReadonlyMap<string, ClientAccountKeys>
}

/** What `nats-server` has to know, and the creds files of the users. */
export interface OperatorJwts {
  readonly operator: string
  /** By public key. */
  readonly accounts: ReadonlyMap<string, string>
  readonly sentinel: string
  readonly serviceCreds: string
  readonly serviceSystemCreds: string
  readonly systemCreds: string
  readonly sentinelCreds: string
}

/** Names that are good file names and plain ASCII, which `@nats-io/jwt` needs. */
const ACCOUNT_NAME = /^[A-Za-z0-9_-]{1,64}$/

/** The system account and the callout account. */
const OWN_ACCOUNTS = ['SYS', 'AUTH']

const NO_LIMIT = -1
/** An absent limit is zero for nats-server. JetStream stays off, as it is for accounts of a configuration file. */
const NO_LIMITS: NonNullable<Account['limits']> = {
  subs: NO_LIMIT,
  data: NO_LIMIT,
  payload: NO_LIMIT,
  imports: NO_LIMIT,
  exports: NO_LIMIT,
  wildcards: true,
  conn: NO_LIMIT,
  leaf: NO_LIMIT,
}

const NANOSECONDS = 1_000_000_000
/** As the user `auth` of `nats-server.conf`: requests in the queue group, one answer to each, heartbeats, `nats micro`. */
const SERVICE_PERMISSIONS = {
  sub: { allow: ['$SYS.REQ.USER.AUTH callout', '$SYS.ACCOUNT.CLIENT.AUTH.ERR', 'callout.heartbeat.*', '$SRV.>'] },
  pub: { allow: ['callout.heartbeat.*'] },
  resp: { max: 1, ttl: 5 * NANOSECONDS },
}
/** Ends connections of clients and of frozen members, and asks what `callout doctor` looks at. */
const SERVICE_SYSTEM_PERMISSIONS = {
  sub: { allow: ['_INBOX.>'] },
  pub: {
    allow: [
      '$SYS.REQ.SERVER.*.KICK',
      '$SYS.REQ.SERVER.*.CONNZ',
      '$SYS.REQ.SERVER.PING.ACCOUNTZ',
      '$SYS.REQ.SERVER.PING.VARZ',
    ],
  },
}
const NOTHING = { sub: { deny: ['>'] }, pub: { deny: ['>'] } }

/** What is wrong with the names of the accounts for clients, or undefined. */
export function problemOfAccountNames(names: readonly string[]): string | undefined {
  const bad = names.find((name) => !ACCOUNT_NAME.test(name))
  if (bad !== undefined) return `${JSON.stringify(bad)} is not 1 to 64 letters, digits, "_" and "-"`
  const own = names.find((name) => OWN_ACCOUNTS.includes(name))
  if (own !== undefined) return `${own} is made anyway, and no client may get there`
  return new Set(names).size === names.length ? undefined : 'names an account twice'
}

/** Makes fresh keys; `names` are those of the accounts in which clients live. */
export function createOperatorKeys(names: readonly string[]): OperatorKeys {
  return {
    operator: createOperator(),
    operatorSigning: createOperator(),
    systemAccount: createAccount(),
    systemUser: createUser(),
    calloutAccount: createAccount(),
    issuer: createAccount(),
    xkey: createCurve(),
    serviceUser: createUser(),
    serviceSystemUser: createUser(),
    sentinel: createUser(),
    accounts: new Map(names.map((name) => [name, { identity: createAccount(), signing: createAccount() }])),
  }
}

/**
 * Makes the JWTs: an operator with one signing key, the system account, the callout account with the service as its only
 * real user, and the accounts of the clients. `sentinel` is the user that a client is until the service has answered: a
 * bearer, so that it needs no key, who may do nothing.
 */
export async function encodeOperatorSetup(keys: OperatorKeys): Promise<OperatorJwts> {
  const { calloutAccount, systemAccount, serviceUser, serviceSystemUser, sentinel } = keys
  const account = (name: string, key: KeyPair, claims: Partial<Account> = {}): Promise<string> =>
    encodeAccount(name, key, { limits: NO_LIMITS, ...claims }, { signer: keys.operatorSigning })
  const accounts = new Map([
    [systemAccount.getPublicKey(), await account('SYS', systemAccount, systemClaims(keys))],
    [calloutAccount.getPublicKey(), await account('AUTH', calloutAccount, calloutClaims(keys))],
  ])
  for (const [name, { identity, signing }] of keys.accounts)
    accounts.set(identity.getPublicKey(), await account(name, identity, { signing_keys: [signing.getPublicKey()] }))

  const service = await encodeUser('callout', serviceUser, calloutAccount, SERVICE_PERMISSIONS)
  const serviceSystem = await encodeUser('callout', serviceSystemUser, systemAccount, SERVICE_SYSTEM_PERMISSIONS)
  const system = await encodeUser('sys', keys.systemUser, systemAccount)
  const sentinelJwt = await encodeUser('sentinel', sentinel, calloutAccount, { ...NOTHING, bearer_token: true })
  return {
    operator: await encodeOperator('callout', keys.operator, {
      signing_keys: [keys.operatorSigning.getPublicKey()],
      system_account: systemAccount.getPublicKey(),
    }),
    accounts,
    sentinel: sentinelJwt,
    serviceCreds: credsText(service, serviceUser),
    serviceSystemCreds: credsText(serviceSystem, serviceSystemUser),
    systemCreds: credsText(system, keys.systemUser),
    sentinelCreds: credsText(sentinelJwt, sentinel),
  }
}

/** What `nats micro ls` asks, as in `nats-server.conf`. */
const MICRO = { name: 'micro', subject: '$SRV.>', type: 'service' } as const

function systemClaims({ calloutAccount }: OperatorKeys): Partial<Account> {
  return { imports: [{ ...MICRO, account: calloutAccount.getPublicKey() }] }
}

/** The claims that make an account the callout account: who is not called out, where answers may place, the xkey. */
function calloutClaims({ issuer, serviceUser, accounts, xkey }: OperatorKeys): Partial<Account> {
  return {
    signing_keys: [issuer.getPublicKey()],
    exports: [{ ...MICRO, response_type: 'Stream' }],
    authorization: {
      auth_users: [serviceUser.getPublicKey()],
      allowed_accounts: [...accounts.values()].map(({ identity }) => identity.getPublicKey()),
      xkey: xkey.getPublicKey(),
    },
  }
}

/** The text that a server includes: everything that differs from one operator to the next. */
export function operatorServerConfig(keys: OperatorKeys, jwts: OperatorJwts): string {
  return [
    '# Included by nats-server.operator.conf. JWTs are signed, not secret; they hold no seed.',
    `operator: "${jwts.operator}"`,
    `system_account: "${keys.systemAccount.getPublicKey()}"`,
    `default_sentinel: "${jwts.sentinel}"`,
    'resolver_preload {',
    ...[...jwts.accounts].map(([publicKey, jwt]) => `  ${publicKey}: "${jwt}"`),
    '}',
  ].join('\n')
}

function credsText(jwt: string, pair: KeyPair): string {
  return new TextDecoder().decode(fmtCreds(jwt, pair))
}
