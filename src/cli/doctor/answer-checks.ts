import type { NatsConnection } from '@nats-io/transport-node'
import { ABORT_CODES, type AbortCode } from '../../core/reasons.ts'
import { createRequestDecoder } from '../../nats/authorization-request.ts'
import { createResponseEncoder } from '../../nats/authorization-response.ts'
import { knock, tryCalloutAlone, type Knock, type SelfTrial } from '../../nats/callout-trial.ts'
import { createXKey } from '../../nats/keys.ts'
import { createSigners } from '../signers.ts'
import { fail, ok, skipped, warn, type Check, type Finding } from './check.ts'
import { membersOf } from './callout-account.ts'
import type { DoctorContext } from './context.ts'

/** Longer than any authorization.timeout in its right mind. */
const KNOCK_WITHIN_MS = 5_000
/** A service that works answers within some milliseconds, one that waits for its store within `callout.deadline`. */
const PROMPT_MS = 1_000
const SELF_KNOCK_WITHIN_MS = 1_000
/** Beside two silent members each attempt brings the request to us in four of five cases. */
const ATTEMPTS_AMONG_MEMBERS = 6
/** The second is for a machine under load. */
const ATTEMPTS_ALONE = 2
/** What nats-server makes of a refusal by the service (`server/auth_callout.go`). */
const REFUSED_BY_SERVICE = /auth callout service returned an error/i
/** An empty answer: refused without a word, which the service does when it has no time for more. */
const REFUSED_UNREAD = /no reason supplied/i
/** Two for each member find one of two that is frozen in 15 of 16 cases; each leaves a row in the audit. */
const KNOCKS_MAX = 6

export const ANSWER_CHECKS: readonly Check[] = [
  {
    id: 'callout.answer',
    title: 'nats-server asks, with the issuer and the xkey of this configuration, and takes the answer',
    async run(context) {
      const servers: string[] = []
      for (const { server, result } of await context.greetings()) if (!(result instanceof Error)) servers.push(server)
      if (servers.length === 0) return [skipped('no server was reached')]
      return Promise.all(servers.map((server) => tryServer(server, context)))
    },
  },
]

async function tryServer(server: string, context: DoctorContext): Promise<Finding> {
  const members = await memberCount(context)
  if (members !== 0) {
    const finding = await tryMembers(server, context, members)
    if (finding !== undefined) return finding
  }
  const trial = await tryAlone(server, context, members === 0 ? ATTEMPTS_ALONE : ATTEMPTS_AMONG_MEMBERS)
  const ours = [...createSigners(context.config, context.secrets).issuerKeys]
  return judgeTrial(server, trial, members, ours, context.config.nats.queue)
}

async function memberCount(context: DoctorContext): Promise<number | undefined> {
  const account = await context.calloutAccount()
  return account && membersOf(account, context.config.nats.queue).length
}

/** Undefined when a knock stayed unanswered. */
async function tryMembers(
  server: string,
  context: DoctorContext,
  members: number | undefined,
): Promise<Finding | undefined> {
  const timeoutMs = await authTimeoutMs(context)
  let slowest: Knock | undefined
  for (let knocks = Math.min(2 * (members ?? 1), KNOCKS_MAX); knocks > 0; knocks--) {
    const knocked = await knockAt(server, context)
    if (judgeKnock(server, knocked, timeoutMs)?.status !== 'ok') return judgeKnock(server, knocked, timeoutMs)
    if (slowest === undefined || knocked.tookMs > slowest.tookMs) slowest = knocked
  }
  return slowest && judgeKnock(server, slowest, timeoutMs)
}

async function authTimeoutMs(context: DoctorContext): Promise<number | undefined> {
  const system = await context.system()
  return 'servers' in system ? Math.min(...system.servers.map((server) => server.authTimeoutMs)) : undefined
}

async function knockAt(server: string, context: DoctorContext): Promise<Knock> {
  const { secrets, clock, name } = context
  const tls = secrets.nats.tls === undefined ? {} : { tls: secrets.nats.tls }
  const connection = await loginAt(server, context)
  return knock({
    server,
    ...tls,
    ...(connection === undefined ? {} : { connection }),
    name,
    withinMs: KNOCK_WITHIN_MS,
    clock,
  })
}

async function loginAt(server: string, context: DoctorContext): Promise<NatsConnection | undefined> {
  const login = (await context.logins()).find((visited) => visited.server === server)?.result
  return login?.kind === 'connected' ? login.connection : undefined
}

/** Undefined when the request was not answered, so that another way has to say why. */
export function judgeKnock(server: string, knocked: Knock, timeoutMs: number | undefined): Finding | undefined {
  const { outcome, why, tookMs, reason } = knocked
  if (outcome === 'admitted') {
    return fail(
      `${server}: a client without credentials got in`,
      'remove no_auth_user from nats-server.conf, or restrict allowed_accounts so that its account is called out',
    )
  }
  if (outcome === 'failed') return fail(`${server}: a client cannot connect: ${why}`, 'correct what the message says')
  if (outcome === 'silent' || reason === '') return undefined
  if (reason === undefined && tookMs >= (timeoutMs ?? PROMPT_MS)) return undefined
  if (reason !== undefined && !REFUSED_BY_SERVICE.test(reason)) return judgeReason(server, reason)
  const took = `${Math.round(tookMs)} ms`
  if (tookMs < PROMPT_MS)
    return ok(`${server}: the running service refused a client without credentials within ${took}`)
  return warn(
    `${server}: the running service took ${took} to refuse a client without credentials`,
    'look at the store below, and at the metrics of the service',
  )
}

function judgeReason(server: string, reason: string): Finding {
  if (REFUSED_UNREAD.test(reason)) {
    return warn(
      `${server}: the running service refused a client unread`,
      'it is overloaded: see its metrics, add replicas',
    )
  }
  return fail(
    `${server}: nats-server does not take the answer: ${reason}`,
    'look at who answers: the replicas of the service, with the keys of nats-server.conf, and nobody else',
  )
}

/** Stands in for the service until a request comes our way. */
async function tryAlone(server: string, context: DoctorContext, attempts: number): Promise<SelfTrial | undefined> {
  const { config, secrets, clock, name } = context
  const connection = await loginAt(server, context)
  if (connection === undefined) return undefined
  const signers = createSigners(config, secrets)
  const xkeys = secrets.xkeySeeds.map(({ seed, label }) => createXKey(seed, label))
  let trial: SelfTrial | undefined
  for (let attempt = 1; attempt <= attempts; attempt++) {
    trial = await tryCalloutAlone({
      server,
      ...(secrets.nats.tls === undefined ? {} : { tls: secrets.nats.tls }),
      connection,
      queue: config.nats.queue,
      decode: createRequestDecoder({ signers, xkeys, clock }),
      encode: createResponseEncoder(signers, clock),
      xkeys,
      name,
      withinMs: SELF_KNOCK_WITHIN_MS,
      clock,
    })
    if (trial.overheard !== undefined || trial.refusedBy !== undefined || trial.knock.outcome !== 'silent') break
  }
  return trial
}

/** `members` is how many others are in the account, undefined when that is not known. */
export function judgeTrial(
  server: string,
  trial: SelfTrial | undefined,
  members: number | undefined,
  ourIssuers: readonly string[],
  queue: string,
): Finding {
  const unanswered = members === 0 ? '' : ', and the running service does not answer'
  if (trial === undefined) {
    return members === 0
      ? skipped(`${server}: the service cannot log in`)
      : fail(`${server}: nobody answers nats-server in time`, 'see what failed above, and the log of the service')
  }
  const { overheard, refusedBy, knock: knocked } = trial
  if (refusedBy === 'subscribe') return skipped(`${server}: the user may not join the queue group ${queue}`)
  if (overheard === undefined) return judgeUnasked(server, knocked, members)
  if (overheard.aborted !== undefined) {
    return fail(
      `${server}: ${faultOf(overheard.aborted, overheard.issuerKey, ourIssuers)}${unanswered}`,
      adviceFor(overheard.aborted),
    )
  }
  if (refusedBy === 'publish' || (overheard.answered && knocked.outcome === 'silent')) {
    return fail(
      `${server}: nats-server asked with our keys, and did not get the answer`,
      'give the user of the service allow_responses: { max: 1, expires: "5s" }',
    )
  }
  const seal = overheard.sealed ? 'sealed for our xkey' : 'in the clear'
  if (members === 0) return ok(`${server}: asked ${seal}, and took the answer of this check`)
  return fail(
    `${server}: asked ${seal}, with the keys of this configuration${unanswered}`,
    'look at the log of each replica, and restart it with this configuration: one is frozen, or has other keys',
  )
}

function judgeUnasked(server: string, knocked: Knock, members: number | undefined): Finding {
  if (knocked.outcome === 'admitted' || knocked.outcome === 'failed') {
    return judgeKnock(server, knocked, undefined) ?? skipped(`${server}: nobody was asked`)
  }
  if (knocked.outcome === 'refused') {
    return fail(
      `${server}: nats-server refuses a client without asking`,
      'auth_callout must be in its configuration; in operator mode, auth_users in the JWT of the callout account and a default_sentinel',
    )
  }
  return fail(
    `${server}: no request came to the queue group of this configuration`,
    members === undefined || members > 0
      ? 'look at the log of the service, which is subscribed and silent, and set nats.system to see more'
      : 'auth_callout.account of nats-server.conf must be the account of the user of the service',
  )
}

function faultOf(code: AbortCode, wanted: string | undefined, ours: readonly string[]): string {
  if (code !== 'request_subject_unknown' || wanted === undefined) return ABORT_CODES[code]
  return `nats-server wants the issuer ${wanted}, this configuration holds the seed of ${ours.join(', ')}`
}

const XKEY_ADVICE = 'callout.xkey_seed_files must hold the seed of auth_callout.xkey in nats-server.conf'

const ADVICE: Partial<Readonly<Record<AbortCode, string>>> = {
  request_subject_unknown: 'callout.issuer_seed_files must hold the seed of auth_callout.issuer in nats-server.conf',
  request_not_sealed:
    'set auth_callout.xkey in nats-server.conf to the public key of callout.xkey_seed_files, or leave both out',
  request_sealed: XKEY_ADVICE,
  request_seal_invalid: XKEY_ADVICE,
  request_operator_mode: 'set callout.issuer_account, and the keys of each of callout.accounts',
  request_expired: 'keep the clocks of all machines in step (NTP)',
}

function adviceFor(code: AbortCode): string {
  return ADVICE[code] ?? 'look at who else can publish in the callout account'
}
