import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { encodeOperator, encodeUser, fmtCreds, parseCreds } from '@nats-io/jwt'
import { createAccount, createCurve, createOperator, createUser, type KeyPair } from '@nats-io/nkeys'
import { JWTS_CONFIG_FILE } from '../../src/dev/nats-mode.ts'
import { administrate, type Administrator } from '../support/administrator.ts'
import { isAdmitted, sentinelOf } from '../support/clients.ts'
import { serviceUsers, startCluster, type Cluster } from '../support/cluster.ts'
import { editCalloutYaml, startMembers, type Members } from '../support/members.ts'
import { connectClient, seedOf } from '../support/nats.ts'
import { withCreds, type ChangeAccount } from '../support/operator.ts'
import { until } from '../support/spanner.ts'
import { steadyConnects, type SteadyConnects } from '../support/steady-connects.ts'

const LANES = 3
/** Three nodes twice, each with the members that are there. */
const RESTARTS_WITHIN_MS = 300_000
const ACCOUNTS = ['system-account', 'callout-account', 'account-APP', 'account-OPS']

let cluster: Cluster
let members: Members
let administrator: Administrator
let load: SteadyConnects
/** Where the clients of the load connect. */
let reachable: string[]
let token: string
/** Signs the JWTs of the accounts now. */
let operatorSigning: KeyPair

before(async () => {
  cluster = await startCluster({ operator: true })
  const { stack, nodes, urls } = cluster
  members = await startMembers(cluster, 2)
  administrator = await administrate(stack, nodes.length)
  operatorSigning = await administrator.key('offline/operator-signing')
  token = await stack.provider.clientCredentials('orders-service')
  reachable = [...urls]
  load = steadyConnects(reachable, { token, ...sentinelOf(stack) }, LANES)
})
after(async () => {
  await load?.stop()
  await cluster?.[Symbol.asyncDispose]()
})
afterEach((t) => {
  t.diagnostic(
    `${load.admitted} connects, ${load.unreached} attempts at a node that was down, the slowest ${Math.round(load.slowestMs)} ms`,
  )
  assert.equal(load.refused, 0)
})

/** Nobody has been turned away so far, and clients go on getting in. */
async function expectNoFailure(): Promise<void> {
  const seen = load.admitted
  await until('more clients get in', 15_000, async () => load.admitted > seen + 2 * LANES)
  assert.equal(load.refused, 0)
}

function secretFile(name: string): string {
  return path.join(cluster.stack.directory, 'secrets', name)
}

/**
 * Restarts the nodes one by one, the members being elsewhere, with these signing keys of the operator. The accounts are those that
 * each node keeps in its folder.
 */
async function restartNodes(signingKeys: readonly KeyPair[]): Promise<void> {
  const operator = await encodeOperator('callout', await administrator.key('offline/operator'), {
    signing_keys: signingKeys.map((key) => key.getPublicKey()),
    system_account: administrator.systemAccount,
  })
  for (const node of cluster.nodes.toReversed()) {
    await members.moveAwayFrom(node)
    const file = path.join(path.dirname(node.configFile), JWTS_CONFIG_FILE)
    const jwts = await readFile(file, 'utf8')
    await writeFile(file, jwts.replace(/^operator: .*$/m, `operator: "${operator}"`).replaceAll(/^ {2}A\w+: .*$/gm, ''))
    await cluster.restart(node, reachable)
    await expectNoFailure()
  }
}

test(
  'the signing key of the operator is replaced on a cluster under load, and nobody is refused when',
  { timeout: RESTARTS_WITHIN_MS },
  async (t) => {
    const [old, next] = [operatorSigning, createOperator()]

    await t.test('1. the nodes are restarted one by one with both keys', () => restartNodes([old, next]))

    await t.test('2. every account is signed anew with the new one', async () => {
      for (const account of ACCOUNTS) await administrator.change(account, () => {}, next)
      operatorSigning = next
      await expectNoFailure()
    })

    await t.test('3. the nodes are restarted one by one with the new one alone', () => restartNodes([next]))
  },
)

test('every key of the service is replaced on a cluster under load, and nobody is refused when', async (t) => {
  const { stack } = cluster
  const change = (account: string, how: ChangeAccount): Promise<void> =>
    administrator.change(account, how, operatorSigning)
  const signing = { 'callout-account': 'issuer', 'account-APP': 'account-APP', 'account-OPS': 'account-OPS' }
  const oldKeys = new Set<string>()
  for (const file of Object.values(signing)) oldKeys.add((await administrator.key(file)).getPublicKey())
  const oldCreds = await readFile(secretFile('service.creds'), 'utf8')
  const { uc: oldUser } = await parseCreds(new TextEncoder().encode(oldCreds))
  const [nextXkey, nextUser] = [createCurve(), createUser()]

  await t.test(
    '1. the accounts know new signing keys and a second user of the service beside the old ones',
    async () => {
      for (const [account, file] of Object.entries(signing)) {
        const next = createAccount()
        await change(account, (claims) => void claims.signing_keys?.push(next.getPublicKey()))
        await writeFile(secretFile(`${file}.nk`), seedOf(next))
      }
      await change(
        'callout-account',
        ({ authorization }) => void authorization?.auth_users?.push(nextUser.getPublicKey()),
      )
      await expectNoFailure()
    },
  )

  await t.test('2. the members are restarted one by one with the new ones, and with a second xkey', async () => {
    const { pub = {}, sub = {}, resp = {} } = oldUser.nats
    const calloutAccount = await administrator.key('offline/callout-account')
    const jwt = await encodeUser('callout', nextUser, calloutAccount, { pub, sub, resp })
    await writeFile(secretFile('service.creds'), fmtCreds(jwt, nextUser))
    await writeFile(secretFile('next-xkey.nk'), seedOf(nextXkey))
    await editCalloutYaml(stack, (yaml) => yaml.replace('xkey.nk"]', 'xkey.nk", "secrets/next-xkey.nk"]'))
    await members.replaceAll()
    await expectNoFailure()
  })

  await t.test('3. the accounts know the new ones alone, and the new xkey', async () => {
    await change('callout-account', ({ authorization }) => {
      authorization!.xkey = nextXkey.getPublicKey()
      authorization!.auth_users = [nextUser.getPublicKey()]
    })
    for (const account of Object.keys(signing))
      await change(account, (claims) => {
        claims.signing_keys = claims.signing_keys?.filter((key) => typeof key !== 'string' || !oldKeys.has(key)) ?? []
      })
    await expectNoFailure()
  })

  await t.test('4. the members are restarted one by one with the new xkey alone', async () => {
    await editCalloutYaml(stack, (yaml) => yaml.replace(/"[^"]*\/xkey\.nk", /, ''))
    await rm(secretFile('xkey.nk'))
    await members.replaceAll()
    await expectNoFailure()
  })

  await t.test(
    'afterwards each node admits clients, and no member is there as the old user, who gets in no more',
    async () => {
      for (const nats of cluster.nodes) assert.equal(await isAdmitted({ ...stack, nats }, { token }), true)
      const key = nextUser.getPublicKey()
      assert.deepEqual(await serviceUsers(cluster, key), [key, key])
      assert.deepEqual(await serviceUsers(cluster, oldUser.sub), [])
      await assert.rejects(connectClient(stack.nats.url, withCreds(oldCreds)), /authorization violation/i)
    },
  )
})
