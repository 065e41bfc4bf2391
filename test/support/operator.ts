import { decode, encodeAccount, type Account } from '@nats-io/jwt'
import type { KeyPair } from '@nats-io/nkeys'
import { credsAuthenticator, type NodeConnectionOptions } from '@nats-io/transport-node'
import { readFile } from 'node:fs/promises'
import {
  createOperatorKeys,
  encodeOperatorSetup,
  operatorServerConfig,
  type OperatorJwts,
  type OperatorKeys,
} from '../../src/cli/operator-setup.ts'
import { JWTS_CONFIG_FILE, OPERATOR_CONFIG_FILE } from '../../src/dev/nats-mode.ts'
import { startNatsServer, type NatsServer } from '../../src/dev/nats-server.ts'
import { operatorSigners, type AccountSigner, type Signers } from '../../src/nats/signers.ts'
import { connectClient, signerOf } from './nats.ts'

/** Changes the claims of an account before its JWT is signed. */
export type ChangeAccount = (claims: Partial<Account>) => void

export interface OperatorServerOptions {
  readonly keys?: OperatorKeys
  /** By public key. */
  readonly accounts?: Readonly<Record<string, ChangeAccount>>
  readonly editConfig?: (config: string) => string
}

/** A nats-server with the reference configuration for operator mode and accounts of its own. */
export interface OperatorServer extends AsyncDisposable {
  readonly nats: NatsServer
  readonly keys: OperatorKeys
  readonly jwts: OperatorJwts
  /** Gives the server a new JWT of the account, as a tool of its administrators would. */
  updateAccount(account: KeyPair, change: ChangeAccount, signer?: KeyPair): Promise<void>
}

export async function startOperatorServer(options: OperatorServerOptions = {}): Promise<OperatorServer> {
  const keys = options.keys ?? createOperatorKeys(['APP', 'OPS'])
  const made = await encodeOperatorSetup(keys)
  const accounts = new Map(made.accounts)
  for (const [publicKey, change] of Object.entries(options.accounts ?? {}))
    accounts.set(publicKey, await reissued(accounts.get(publicKey) ?? '', change, keys.operatorSigning))
  const jwts = { ...made, accounts }
  const edit = options.editConfig ?? ((text: string) => text)
  const nats = await startNatsServer({
    config: edit(await readFile(OPERATOR_CONFIG_FILE, 'utf8')),
    includes: { [JWTS_CONFIG_FILE]: edit(operatorServerConfig(keys, jwts)) },
  })
  return {
    nats,
    keys,
    jwts,
    async updateAccount(account, change, signer = keys.operatorSigning) {
      const key = account.getPublicKey()
      const jwt = await reissued(accounts.get(key) ?? '', change, signer)
      accounts.set(key, jwt)
      const system = await connectClient(nats.url, withCreds(jwts.systemCreds))
      const reply = await system.request(`$SYS.REQ.ACCOUNT.${key}.CLAIMS.UPDATE`, jwt)
      await system.close()
      const { error } = reply.json<{ error?: { description: string } }>()
      if (error !== undefined) throw new Error(error.description)
    },
    [Symbol.asyncDispose]: () => nats.stop(),
  }
}

/** The JWT of the same account with other claims. */
export async function reissued(jwt: string, change: ChangeAccount, signer: KeyPair): Promise<string> {
  const { name, sub, nats } = decode<Account>(jwt)
  change(nats)
  return encodeAccount(name, sub, nats, { signer })
}

export function withCreds(creds: string): NodeConnectionOptions {
  return { authenticator: credsAuthenticator(new TextEncoder().encode(creds)) }
}

/** Which of its two keys an account signs with. */
export interface SigningChoice {
  readonly issuer?: 'identity' | 'signing'
  readonly accounts?: 'identity' | 'signing'
}

/** The signers as the service makes them, of the keys of a set-up. */
export function signersOf(
  keys: OperatorKeys,
  { issuer = 'signing', accounts = 'signing' }: SigningChoice = {},
): Signers {
  const issuerPair = issuer === 'identity' ? keys.calloutAccount : keys.issuer
  const callout = { publicKey: keys.calloutAccount.getPublicKey(), key: signerOf(issuerPair) }
  const ofAccounts = [...keys.accounts].map(([name, pairs]): [string, AccountSigner] => [
    name,
    { publicKey: pairs.identity.getPublicKey(), key: signerOf(pairs[accounts]) },
  ])
  return operatorSigners(callout, new Map(ofAccounts))
}
