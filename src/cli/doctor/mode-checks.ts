import type { AccountFacts, ServerFacts } from '../../nats/system-questions.ts'
import { createSigningKey, createXKey } from '../../nats/keys.ts'
import { fail, ok, skipped, type Check, type Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import { shortName } from './server-name.ts'
import { withSystem, type UsableSystem } from './system-checks.ts'

/** In operator mode everything that nats-server knows about the callout stands in JWTs of accounts, for us to read. */
export const MODE_CHECKS: readonly Check[] = [
  {
    id: 'callout.mode',
    title: 'the configuration is for the mode of nats-server; in operator mode, the JWTs of the accounts agree with it',
    needsSystem: true,
    run: (context) =>
      withSystem(context, async (system) => {
        const wanted = context.config.callout.operator !== undefined
        const other = system.servers.filter(({ operatorMode }) => operatorMode !== wanted)
        if (other.length > 0) return other.map((server) => judgeMode(server))
        if (!wanted) return [ok('server-configuration mode')]
        const account = await context.calloutAccount()
        if (account === undefined) return [skipped('the service cannot log in, so its account is not known')]
        const findings = account.facts.flatMap((facts) =>
          judgeAuthorization(facts, account.user, expectationsOf(context)),
        )
        findings.push(...(await judgeSigningKeys(context, system)))
        return findings.length === 0
          ? [ok('operator mode; the JWTs of the accounts agree with this configuration')]
          : findings
      }),
  },
]

function judgeMode({ name, operatorMode }: ServerFacts): Finding {
  const server = `server ${shortName(name)}`
  return operatorMode
    ? fail(`${server} runs in operator mode`, 'set callout.issuer_account, and the keys of each of callout.accounts')
    : fail(
        `${server} does not run in operator mode`,
        'take callout.issuer_account and the keys of callout.accounts out, or give nats-server its operator',
      )
}

/** Public keys that the JWT of the callout account has to name. */
interface Expectations {
  readonly xkeys: readonly string[]
  /** By the name in `callout.accounts`. */
  readonly accounts: ReadonlyMap<string, string>
}

function expectationsOf({ config, secrets }: DoctorContext): Expectations {
  const keys = config.callout.operator?.accountKeys ?? new Map<string, { readonly publicKey: string }>()
  return {
    xkeys: secrets.xkeySeeds.map(({ seed, label }) => createXKey(seed, label).publicKey),
    accounts: new Map([...keys].map(([name, { publicKey }]) => [name, publicKey])),
  }
}

/** `user` is as whom the service is logged in: in operator mode its public key. */
export function judgeAuthorization(
  { authorization }: Pick<AccountFacts, 'authorization'>,
  user: string,
  { xkeys, accounts }: Expectations,
): readonly Finding[] {
  if (authorization === undefined || authorization.users.length === 0) {
    return [
      fail(
        'the JWT of the callout account has no auth_users',
        'add the user of the service: without it nobody is asked',
      ),
    ]
  }
  const findings: Finding[] = []
  if (!authorization.users.includes(user)) {
    findings.push(
      fail(
        `auth_users of the callout account does not name the service, ${user}`,
        'add it: it would be called out itself',
      ),
    )
  }
  if (authorization.xkey === undefined ? xkeys.length > 0 : !xkeys.includes(authorization.xkey)) {
    findings.push(
      fail(
        `the xkey of the callout account is ${authorization.xkey ?? 'not set'}, that of this configuration ${xkeys.join(', ') || 'not set'}`,
        'callout.xkey_seed_files must hold the seed of the xkey in the JWT of the callout account',
      ),
    )
  }
  const { allowedAccounts } = authorization
  for (const [name, publicKey] of accounts) {
    if (allowedAccounts.includes('*') || allowedAccounts.includes(publicKey)) continue
    findings.push(
      fail(
        `allowed_accounts of the callout account does not name ${name}, ${publicKey}`,
        'add it, or take it out of callout.accounts: nats-server refuses to place clients there',
      ),
    )
  }
  return findings
}

/** An account that no server has loaded yet cannot be looked at; it has no finding. */
async function judgeSigningKeys(
  { config, secrets }: DoctorContext,
  { questions }: UsableSystem,
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const [name, { publicKey }] of config.callout.operator?.accountKeys ?? []) {
    const seed = secrets.accountSeeds.get(name)
    if (seed === undefined) continue
    const key = createSigningKey(seed.seed, seed.label).publicKey
    const known = (await questions.account(publicKey)).filter(({ found }) => found)
    if (key === publicKey || known.every(({ signingKeys }) => signingKeys.includes(key))) continue
    findings.push(
      fail(
        `${key}, with which user JWTs for ${name} are signed, is no signing key of that account`,
        'add it to the JWT of the account, or correct signing_key_seed_file',
      ),
    )
  }
  return findings
}
