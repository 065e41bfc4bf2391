import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { generateKeys } from '../../src/cli/keys-command.ts'
import { KEYS_CONFIG_FILE } from '../../src/dev/reference-nats-server.ts'
import { editNode, serviceUsers, startCluster, type Cluster } from '../support/cluster.ts'
import { isAdmitted } from '../support/clients.ts'
import { editCalloutYaml, startMembers, type Members } from '../support/members.ts'
import { steadyConnects, type SteadyConnects } from '../support/steady-connects.ts'
import { until } from '../support/spanner.ts'

const LANES = 3
const SERVICE_USER = /\{\s*user: auth\n[^]*?\n {6}\}/

let cluster: Cluster
let members: Members
let load: SteadyConnects
/** Where the clients of the load connect. */
let reachable: string[]
let token: string
let oldIssuer: string
let newIssuer: string

before(async () => {
  cluster = await startCluster()
  const { stack } = cluster
  members = await startMembers(cluster, 2)
  token = await stack.provider.clientCredentials('orders-service')
  reachable = [...cluster.urls]
  load = steadyConnects(reachable, { token }, LANES)
})
after(async () => {
  await load?.stop()
  await cluster?.[Symbol.asyncDispose]()
})

/** The value of a variable in the file that `nats-server.conf` includes, in the folder `secrets` or below it. */
async function variable(file: string, name: string): Promise<string> {
  const text = await readFile(path.join(cluster.stack.directory, file), 'utf8')
  return new RegExp(`^${name} = "([^"]+)"`, 'm').exec(text)?.[1] ?? assert.fail(`no ${name}`)
}

/** Nobody has been turned away so far, and clients go on getting in. */
async function expectNoFailure(): Promise<void> {
  const seen = load.admitted
  await until('more clients get in', 15_000, async () => load.admitted > seen + 2 * LANES)
  assert.equal(load.refused, 0)
}

test('rotating issuer, xkey and password of the service on a cluster under load: nobody is refused when', async (t) => {
  await t.test('1. new keys are made beside the old ones', async () => {
    const dir = path.join(cluster.stack.directory, 'secrets/new')
    const silent = { stdout: { write() {} }, stderr: { write() {} }, env: {} }
    assert.equal(await generateKeys({ dir, output: 'table' }, silent), 0)
    oldIssuer = await variable(KEYS_CONFIG_FILE, 'CALLOUT_ISSUER')
    newIssuer = await variable('secrets/new/nats-server.keys.conf', 'CALLOUT_ISSUER')
  })

  await t.test('2. the members are restarted one by one with both seeds of each kind', async () => {
    await editCalloutYaml(cluster.stack, (yaml) =>
      yaml
        .replace('[secrets/issuer.nk]', '[secrets/issuer.nk, secrets/new/issuer.nk]')
        .replace('[secrets/xkey.nk]', '[secrets/xkey.nk, secrets/new/xkey.nk]'),
    )
    await members.replaceAll()
    await expectNoFailure()
  })

  await t.test(
    '3. the nodes are restarted one by one with the new public keys and a second user, the members being elsewhere',
    async () => {
      const oldXkey = await variable(KEYS_CONFIG_FILE, 'CALLOUT_XKEY')
      const newXkey = await variable('secrets/new/nats-server.keys.conf', 'CALLOUT_XKEY')
      const newPassword = await variable('secrets/new/nats-server.keys.conf', 'CALLOUT_AUTH_PASSWORD')
      const secondUser = (user: string): string =>
        user.replace('user: auth', 'user: auth2').replace('$CALLOUT_AUTH_PASSWORD', `"${newPassword}"`)
      for (const node of cluster.nodes) {
        await members.moveAwayFrom(node)
        await editNode(node, (conf) =>
          conf
            .replace(oldIssuer, newIssuer)
            .replace(oldXkey, newXkey)
            .replace(SERVICE_USER, (user) => `${user}\n${secondUser(user)}`)
            .replace('auth_users: [auth,', 'auth_users: [auth, auth2,'),
        )
        await cluster.restart(node, reachable)
        await expectNoFailure()
      }
    },
  )

  await t.test(
    '4. the members are restarted one by one with the new seeds and the new user, and the old seeds are gone',
    async () => {
      await editCalloutYaml(cluster.stack, (yaml) =>
        yaml
          .replace('[secrets/issuer.nk, secrets/new/issuer.nk]', '[secrets/new/issuer.nk]')
          .replace('[secrets/xkey.nk, secrets/new/xkey.nk]', '[secrets/new/xkey.nk]')
          .replace('user: auth, password_file: secrets/auth', 'user: auth2, password_file: secrets/new/auth'),
      )
      for (const name of ['issuer.nk', 'xkey.nk', 'auth.password']) {
        await rm(path.join(cluster.stack.directory, 'secrets', name))
      }
      await members.replaceAll()
      await expectNoFailure()
    },
  )

  await t.test(
    'afterwards each node admits clients, by the new issuer alone, and no member is connected as the old user',
    async () => {
      for (const nats of cluster.nodes) assert.equal(await isAdmitted({ ...cluster.stack, nats }, { token }), true)
      assert.deepEqual(await serviceUsers(cluster, 'auth'), ['auth2', 'auth2'])
    },
  )

  await t.test('and all the time nobody was refused', async (context) => {
    await load.stop()
    context.diagnostic(
      `${load.admitted} connects, ${load.unreached} attempts at a node that was down, the slowest ${Math.round(load.slowestMs)} ms`,
    )
    assert.equal(load.refused, 0)
  })
})
