import { assertNever } from '../../core/errors.ts'
import type { Greeting } from '../../nats/greeting.ts'
import { tryPermissions, type TriedPermissions } from '../../nats/permission-trial.ts'
import type { LoginOutcome } from '../../nats/single-login.ts'
import { fail, ok, skipped, warn, type Check, type Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import { membersOf } from './callout-account.ts'
import { defectsOf, SERVER_FLOORS } from './server-defects.ts'
import { shortName } from './server-name.ts'

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/
/** As many as fit on a line; the README lists all. */
const DEFECTS_SHOWN = 3

/** Reach, version, login and permissions, at each entry of `nats.servers`. */
export const REACH_CHECKS: readonly Check[] = [
  {
    id: 'nats.reach',
    title: 'each entry of `nats.servers` answers, and with TLS unless it is on this machine',
    async run(context) {
      const usesTls = context.config.nats.tls !== undefined
      return (await context.greetings()).map(({ server, result }) => judgeReach(server, result, usesTls))
    },
  },
  {
    id: 'nats.version',
    title: 'no nats-server has a known defect that concerns authentication',
    async run(context) {
      const seen = new Map<string, string>()
      for (const { server, result } of await context.greetings())
        if (!(result instanceof Error)) seen.set(result.serverId, `${server}: ${result.version}`)
      const system = await context.system()
      if ('servers' in system)
        for (const { id, name, version } of system.servers)
          if (!seen.has(id)) seen.set(id, `server ${shortName(name)}: ${version}`)
      if (seen.size === 0) return [skipped('no server was reached')]
      return Array.from(seen.values(), (line) => judgeVersion(line))
    },
  },
  {
    id: 'nats.login',
    title: 'the service can log in at each server',
    async run(context) {
      const reached = await reachedServers(context)
      const logins = (await context.logins()).filter(({ server }) => reached.has(server))
      if (logins.length === 0) return [skipped('no server was reached')]
      return logins.map(({ server, result }) => judgeLogin(server, result))
    },
  },
  {
    id: 'nats.permissions',
    title: 'the user of the service may join its queue group, and do nothing else',
    async run(context) {
      const findings: Finding[] = []
      const { queue } = context.config.nats
      const account = await context.calloutAccount()
      // Who is in it as this user proves that the user may; joining could cost a client its request.
      const isProven = account !== undefined && membersOf(account, queue).some(({ user }) => user === account.user)
      for (const { server, result } of await context.logins()) {
        if (result.kind !== 'connected') continue
        const tried = await tryPermissions({
          connection: result.connection,
          queue,
          joinQueue: !isProven,
          unusedSubject: `${context.name.replaceAll(' ', '.')}.unused`,
        })
        findings.push(...judgePermissions(server, tried, queue))
      }
      return findings.length === 0 ? [skipped('the service cannot log in')] : findings
    },
  },
]

async function reachedServers(context: DoctorContext): Promise<ReadonlySet<string>> {
  const greetings = await context.greetings()
  return new Set(greetings.filter(({ result }) => !(result instanceof Error)).map(({ server }) => server))
}

export function judgeReach(server: string, greeting: Greeting | Error, usesTls: boolean): Finding {
  if (greeting instanceof Error) {
    return fail(
      `${server}: ${greeting.message}`,
      'check nats.servers, whether nats-server runs there, and the network in between',
    )
  }
  const url = new URL(server)
  if (usesTls || url.protocol === 'tls:' || greeting.tlsRequired)
    return ok(`${server}: nats-server ${greeting.version}, TLS`)
  if (LOOPBACK.test(url.hostname)) return ok(`${server}: nats-server ${greeting.version}, in the clear on this machine`)
  return warn(
    `${server}: nats-server ${greeting.version}, in the clear`,
    'switch TLS on in nats-server and write tls:// in nats.servers: the password of the service can be read on the way',
  )
}

/** `line` is the name of a server, a colon, and its version. */
export function judgeVersion(line: string): Finding {
  const version = line.slice(line.lastIndexOf(' ') + 1)
  const update = `update nats-server to ${SERVER_FLOORS.join(' or ')}, or newer`
  const defects = defectsOf(version)
  if (defects === undefined) return warn(`${line} is not a version that can be compared`, update)
  if (defects.length === 0) return ok(line)
  const shown = defects.slice(0, DEFECTS_SHOWN).map(({ what, source }) => `${what} (${source})`)
  const more = defects.length > DEFECTS_SHOWN ? `; and ${defects.length - DEFECTS_SHOWN} more` : ''
  return fail(`${line} has known defects: ${shown.join('; ')}${more}`, update)
}

export function judgeLogin(server: string, login: LoginOutcome): Finding {
  switch (login.kind) {
    case 'connected':
      return ok(`${server}: logged in`)
    case 'refused':
      return fail(
        `${server}: nats-server refused the login (${login.why})`,
        'nats.user and its password or key must be those of nats-server.conf, and the user must be in auth_users',
      )
    case 'silent':
      return fail(
        `${server}: nats-server did not answer the login in time`,
        'look at the load and the log of nats-server',
      )
    case 'failed':
      return fail(
        `${server}: ${login.why}`,
        'with TLS, the certificate of the server must be for this name and issued by nats.tls.ca_file',
      )
    default:
      return assertNever(login)
  }
}

export function judgePermissions(server: string, tried: TriedPermissions, queue: string): readonly Finding[] {
  if (tried.mayJoinQueue === false) {
    return [
      fail(
        `${server}: the user may not subscribe to $SYS.REQ.USER.AUTH in the queue group ${queue}`,
        `give it subscribe: ["$SYS.REQ.USER.AUTH ${queue}"], the queue group of nats.queue`,
      ),
    ]
  }
  const findings: Finding[] = []
  if (tried.mayListenAside) {
    findings.push(
      warn(
        `${server}: the user may subscribe to $SYS.REQ.USER.AUTH outside the queue group`,
        `give it subscribe: ["$SYS.REQ.USER.AUTH ${queue}"] and nothing more: whoever has its password sees every token`,
      ),
    )
  }
  if (!tried.mayHearRefusals) {
    findings.push(
      warn(
        `${server}: the user may not subscribe to $SYS.ACCOUNT.CLIENT.AUTH.ERR`,
        'let it: the service cannot notice otherwise that nats-server does not take its user JWTs',
      ),
    )
  }
  if (tried.mayPublishAnywhere) {
    findings.push(
      warn(
        `${server}: the user may publish to any subject`,
        'give it publish: { allow: ["callout.heartbeat.*"] } and allow_responses: { max: 1, expires: "5s" }',
      ),
    )
  }
  return findings.length === 0 ? [ok(`${server}: its queue group, and nothing else`)] : findings
}
