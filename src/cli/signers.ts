import type { Config } from '../config/config.ts'
import type { LabelledSeed, Secrets } from '../config/secrets.ts'
import { createSigningKey, type SigningKey } from '../nats/keys.ts'
import { operatorSigners, serverConfigurationSigners, type Signers } from '../nats/signers.ts'

/** Takes the seeds into use, for the mode that the configuration is written for. */
export function createSigners({ callout }: Config, { issuerSeeds, accountSeeds }: Secrets): Signers {
  const issuers = issuerSeeds.map(loaded)
  if (callout.operator === undefined) return serverConfigurationSigners(issuers)
  const [issuer, another] = issuers
  if (issuer === undefined || another !== undefined) throw new TypeError('operator mode has one issuer seed')
  const accounts = [...callout.operator.accountKeys].map(([name, { publicKey }]) => {
    const seed = accountSeeds.get(name)
    if (seed === undefined) throw new TypeError('an account of operator mode has a seed')
    return [name, { publicKey, key: loaded(seed) }] as const
  })
  return operatorSigners({ publicKey: callout.operator.issuerAccount, key: issuer }, new Map(accounts))
}

function loaded({ seed, label }: LabelledSeed): SigningKey {
  return createSigningKey(seed, label)
}
