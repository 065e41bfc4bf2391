import { parsePrincipal } from '../../core/principal.ts'
import { MICRO_SUBJECTS } from '../../nats/micro-service.ts'
import type { ConnectionFacts } from '../../nats/system-questions.ts'
import { fail, ok, skipped, warn, type Check, type Finding } from './check.ts'
import { hearsRequests, membersOf, type CalloutAccount } from './callout-account.ts'
import type { DoctorContext } from './context.ts'
import { withSystem } from './system-checks.ts'

/** As many as a person looks up one by one. */
const CONNECTIONS_SHOWN = 5

/** Who is in the callout account, and who is in the accounts of clients without the callout. */
export const MEMBERS_CHECKS: readonly Check[] = [
  {
    id: 'callout.members',
    title: 'the service is subscribed, only in its queue group, and nobody listens aside',
    needsSystem: true,
    run: (context) => withAccount(context, (account) => [...judgeMembers(account, context.config.nats.queue)]),
  },
  {
    id: 'callout.account',
    title: 'nobody but the service is in its account, and nothing of it is open to other accounts',
    needsSystem: true,
    run: (context) => withAccount(context, (account) => [judgeAccount(account)]),
  },
  {
    id: 'callout.bypass',
    title: 'everybody in the accounts of clients came in through the callout',
    needsSystem: true,
    run: (context) =>
      withSystem(context, async ({ questions, servers }) => {
        const { callout, issuers } = context.config
        const notForClients = new Set(servers.map(({ systemAccount }) => systemAccount))
        const own = await context.calloutAccount()
        if (own !== undefined) notForClients.add(own.name)
        const ids = new Set(issuers.map(({ id }) => id))
        const findings: Finding[] = []
        for (const name of callout.accounts.keys()) {
          const wanted = callout.operator?.accountKeys.get(name)?.publicKey ?? name
          if (notForClients.has(wanted)) continue
          const { connections, complete } = await questions.connections(wanted)
          findings.push(judgeBypass(name, connections, complete, ids))
        }
        return findings.length === 0 ? [skipped('no account is for clients')] : findings
      }),
  },
]

async function withAccount(
  context: DoctorContext,
  judge: (account: CalloutAccount) => readonly Finding[],
): Promise<readonly Finding[]> {
  return withSystem(context, async () => {
    const account = await context.calloutAccount()
    return account === undefined ? [skipped('the service cannot log in, so its account is not known')] : judge(account)
  })
}

export function judgeMembers(account: CalloutAccount, queue: string): readonly Finding[] {
  const aside = account.connections.filter(({ subscriptions }) =>
    subscriptions.some((subscription) => subscription.queue !== queue && hearsRequests(subscription.subject)),
  )
  const findings: Finding[] = []
  if (aside.length > 0) {
    findings.push(
      fail(
        `subscribed to $SYS.REQ.USER.AUTH outside the queue group ${queue}: ${shown(aside)}`,
        'end these connections and take away the permission: they get a copy of every token and may answer first',
      ),
    )
  }
  const members = membersOf(account, queue)
  if (members.length === 0) {
    findings.push(
      fail(
        `nobody is subscribed in the queue group ${queue} of account ${account.name}`,
        'start "callout serve", with the same nats.queue: until then no client gets in',
      ),
    )
  } else if (members.length === 1) {
    findings.push(
      warn(
        `one member in the queue group ${queue}: ${shown(members)}`,
        'run at least two replicas, so that clients get in while one is restarted',
      ),
    )
  } else findings.push(ok(`${members.length} members in the queue group ${queue}: ${shown(members)}`))
  return findings
}

export function judgeAccount({ name, user, connections, facts }: CalloutAccount): Finding {
  const others = connections.filter((connection) => connection.user !== user)
  if (others.length > 0) {
    return fail(
      `in account ${name} with another user than the service: ${shown(others)}`,
      'move their users to another account: whoever is in this one may see tokens, or answer in place of the service',
    )
  }
  const exported = [...new Set(facts.flatMap((server) => server.exports))].filter(
    (subject) => subject !== MICRO_SUBJECTS,
  )
  const requests = exported.filter(hearsRequests)
  if (requests.length > 0) {
    return fail(
      `account ${name} exports ${requests.join(', ')}`,
      'remove the export: other accounts could read requests or make them up',
    )
  }
  const leafNodes = facts.reduce((sum, server) => sum + (server.leafNodes || 0), 0)
  if (leafNodes > 0) {
    return fail(
      `${leafNodes} leaf nodes are connected to account ${name}`,
      'connect them to another account: everybody behind them is in the account of the service',
    )
  }
  if (exported.length > 0)
    return warn(`account ${name} exports ${exported.join(', ')}`, 'keep the account to the service')
  return ok(`account ${name} holds the service alone`)
}

/** A user JWT of ours names the client by its principal; anything else in the account came in by another way. */
export function judgeBypass(
  account: string,
  connections: readonly ConnectionFacts[],
  complete: boolean,
  issuerIds: ReadonlySet<string>,
): Finding {
  const others = connections.filter(({ user }) => !isOurs(user, issuerIds))
  const looked = `${complete ? '' : 'the first '}${connections.length} connections in ${account}`
  if (others.length === 0) return ok(`${looked}, all through the callout`)
  return fail(
    `${others.length} of ${looked} did not come in through the callout: ${shown(others)}`,
    'these are users of nats-server.conf, or of issuers that are gone: move static users to an account that ' +
      'callout.accounts does not list',
  )
}

function isOurs(user: string, issuerIds: ReadonlySet<string>): boolean {
  const parsed = parsePrincipal(user)
  if ('problem' in parsed) return false
  const { kind, issuerId } = parsed.principal
  return (kind === 'user' || kind === 'client') && issuerId !== undefined && issuerIds.has(issuerId)
}

/** The user of a connection is not shown: servers before 2.10.28 put tokens there. */
function shown(connections: readonly ConnectionFacts[]): string {
  const all = connections.map(
    ({ connectionId, address, name }) => `cid ${connectionId} at ${address} (${labelOf(name)})`,
  )
  const more = all.length > CONNECTIONS_SHOWN ? ` and ${all.length - CONNECTIONS_SHOWN} more` : ''
  return all.slice(0, CONNECTIONS_SHOWN).join(', ') + more
}

function labelOf(name: string): string {
  if (name === '') return 'no name'
  return name.length > 64 ? `${name.slice(0, 64)}…` : name
}
