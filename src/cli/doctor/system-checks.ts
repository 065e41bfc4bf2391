import { PERMISSIONS_BYTES_MAX } from '../../core/decide.ts'
import type { ServerFacts } from '../../nats/system-questions.ts'
import { fail, ok, skipped, warn, type Check, type Finding } from './check.ts'
import type { DoctorContext, SystemAccess } from './context.ts'
import { judgeClock } from './judge-clock.ts'
import { shortName } from './server-name.ts'

export type UsableSystem = Extract<SystemAccess, { readonly servers: readonly ServerFacts[] }>

const CONFIGURE_SYSTEM =
  'set nats.system to a user of the system account that may ask PING.VARZ, PING.CONNZ and PING.ACCOUNTZ (README, "Doctor")'

/** What a CONNECT line holds beside the token; the options that nats.js and nats.go send have some 400 bytes. */
const CONNECT_BYTES = 1024
/** A user JWT is in base64url twice: permissions grow to 1.78 times their size. */
const ANSWER_BYTES_MAX = 2 * PERMISSIONS_BYTES_MAX
/** For the way of the answer back to the server, and for the difference between two clocks that started apart. */
const TIMEOUT_MARGIN_MS = 200

/** Runs a check that asks the system account, or says why it cannot. */
export async function withSystem(
  context: DoctorContext,
  run: (system: UsableSystem) => Promise<readonly Finding[]> | readonly Finding[],
): Promise<readonly Finding[]> {
  const system = await context.system()
  if ('servers' in system) return run(system)
  return [
    system.missing === 'not configured'
      ? skipped(system.why, CONFIGURE_SYSTEM)
      : skipped('the system account cannot be asked'),
  ]
}

/** What the servers say of themselves over the system account. */
export const SYSTEM_CHECKS: readonly Check[] = [
  {
    id: 'nats.system',
    title: 'the user of `nats.system` can ask the servers about themselves',
    needsSystem: true,
    async run(context) {
      const system = await context.system()
      if ('servers' in system) {
        return [ok(`${system.servers.length} ${system.servers.length === 1 ? 'server answers' : 'servers answer'}`)]
      }
      if (system.missing === 'not configured') return [skipped(system.why, CONFIGURE_SYSTEM)]
      return [
        fail(
          system.why,
          'nats.system must be a user of the system account that may ask PING.VARZ, PING.CONNZ and PING.ACCOUNTZ, with its ' +
            'password, in auth_users of nats-server.conf',
        ),
      ]
    },
  },
  {
    id: 'nats.limits',
    title: 'servers wait longer than `callout.deadline`, and take the longest token and answer',
    needsSystem: true,
    run: (context) =>
      withSystem(context, ({ servers }) =>
        servers.map((server) => judgeLimits(server, context.config.callout.deadlineMs, context.config.token.maxBytes)),
      ),
  },
  {
    id: 'nats.clock',
    title: 'the clocks of the servers agree with ours',
    needsSystem: true,
    run: (context) =>
      withSystem(context, ({ servers }) =>
        servers.map(({ name, clockOffsetMs, roundTripMs }) =>
          judgeClock(`server ${shortName(name)}`, clockOffsetMs, roundTripMs / 2),
        ),
      ),
  },
  {
    id: 'nats.accounts',
    title: 'the accounts of `callout.accounts` exist on every server, and are meant for clients',
    needsSystem: true,
    run: (context) =>
      withSystem(context, async ({ questions, servers }) => {
        const { accounts, operator } = context.config.callout
        const calloutAccount = (await context.calloutAccount())?.name
        const known = await questions.accounts()
        return Array.from(accounts.keys(), (name) => {
          const wanted = operator?.accountKeys.get(name)?.publicKey ?? name
          if (wanted === calloutAccount || servers.some(({ systemAccount }) => systemAccount === wanted)) {
            return fail(
              `${name} is the account of ${wanted === calloutAccount ? 'the service' : 'the system'}`,
              'take it out of callout.accounts: nobody who comes in with a token may be placed there',
            )
          }
          const without = servers.filter(({ id }) => known.get(id)?.includes(wanted) !== true)
          if (without.length === 0) return ok(`${name} exists`)
          const where = without.map((server) => shortName(server.name)).join(', ')
          if (operator !== undefined)
            return ok(`${name} is not in use on ${where} so far; whether it exists shows when a client is placed there`)
          return fail(
            `${name} does not exist on server ${where}`,
            'add it to accounts in nats-server.conf, or take it out of callout.accounts',
          )
        })
      }),
  },
]

export function judgeLimits(server: ServerFacts, deadlineMs: number, tokenBytesMax: number): Finding {
  const { authTimeoutMs, maxControlLine, maxPayload } = server
  const name = `server ${shortName(server.name)}`
  const facts = `${name}: authorization.timeout ${authTimeoutMs} ms, max_control_line ${maxControlLine}, max_payload ${maxPayload}`
  if (!(authTimeoutMs > deadlineMs)) {
    return fail(
      `${name}: authorization.timeout is ${authTimeoutMs} ms, not above callout.deadline of ${deadlineMs} ms`,
      'raise authorization.timeout to 2 s, or lower callout.deadline: answers may come after the server has given up',
    )
  }
  if (!(maxControlLine >= tokenBytesMax + CONNECT_BYTES)) {
    return fail(
      `${name}: max_control_line is ${maxControlLine} bytes, tokens may have ${tokenBytesMax} (token.max_bytes)`,
      'raise max_control_line to four times token.max_bytes: longer tokens are refused before anybody is asked',
    )
  }
  if (authTimeoutMs - deadlineMs < TIMEOUT_MARGIN_MS) {
    return warn(
      facts,
      `callout.deadline should end ${TIMEOUT_MARGIN_MS} ms before authorization.timeout: answers travel too`,
    )
  }
  if (maxPayload < ANSWER_BYTES_MAX) {
    return warn(facts, `raise max_payload to ${ANSWER_BYTES_MAX}: an answer with many permissions would not go through`)
  }
  return ok(facts)
}
