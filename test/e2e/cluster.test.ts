import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { NatsServer } from '../../src/dev/nats-server.ts'
import { connectSystem, startCluster, whereabouts, type Cluster, type WhereRow } from '../support/cluster.ts'
import { isAdmitted, tryConnect, type Attempt } from '../support/clients.ts'
import { until } from '../support/spanner.ts'

let cluster: Cluster
let token: string

before(async () => {
  cluster = await startCluster()
  token = await cluster.stack.provider.clientCredentials('orders-service')
})
after(() => cluster?.[Symbol.asyncDispose]())

/** The stack as a client sees it that knows this node only. */
function at(node: NatsServer): Cluster['stack'] {
  return { ...cluster.stack, nats: node }
}

let clients = 0

/** Connects to a node; returns what its server said of the connection, as a row would have it, and the row itself. */
async function visit(node: NatsServer): Promise<{ readonly said: WhereRow; readonly rows: readonly WhereRow[] }> {
  const name = `visitor-${(clients += 1)}`
  const connection = await tryConnect(at(node), { token, name })
  assert.ok(connection?.info)
  const { server_id: serverId, server_name: serverName, cluster: ofCluster = '', client_id } = connection.info
  const rows = await whereabouts(cluster.stack, name)
  await connection.close()
  return { said: { serverId, serverName, cluster: ofCluster, connectionId: client_id }, rows }
}

function getsIn(node: NatsServer, attempt: Attempt = { token }): Promise<boolean> {
  return isAdmitted(at(node), attempt).catch(() => false)
}

suite('in a cluster of three with the service at one node', () => {
  test('a client gets in at each, and its row names its server and its connection there', async () => {
    const seen = new Set<string>()
    for (const node of cluster.nodes) {
      const { said, rows } = await visit(node)
      assert.deepEqual(rows, [said])
      seen.add(said.serverName)
    }
    assert.deepEqual([...seen], ['n1', 'n2', 'n3'])
  })

  test('a refusal travels over the routes as well', async () => {
    const mallory = await cluster.stack.provider.deviceLogin('mallory')
    for (const node of cluster.nodes) assert.equal(await getsIn(node, { token: mallory }), false)
  })

  test('what a row says of a connection is what ends it, asked of any node', async () => {
    const [first, , third] = cluster.nodes
    assert.ok(first !== undefined && third !== undefined)
    const connection = await tryConnect(at(third), { token, name: 'kicked' })
    assert.ok(connection)
    const [row] = await whereabouts(cluster.stack, 'kicked')
    const system = await connectSystem(cluster.stack, first)
    await system.request(`$SYS.REQ.SERVER.${row?.serverId}.KICK`, JSON.stringify({ cid: row?.connectionId }))
    await connection.closed()
    await system.close()
  })
})

suite('when a node dies', () => {
  test('clients get in at the others, also when the service was at that one, and at it when it is back', async () => {
    const [home, ...others] = cluster.nodes
    assert.ok(home)
    const before = await visit(home)
    home.signal('SIGKILL')
    for (const node of others) await until('a client gets in', 15_000, () => getsIn(node))
    await home.restart()
    await cluster.joined()
    await until('a client gets in where the node died', 15_000, () => getsIn(home))
    const { said, rows } = await visit(home)
    assert.deepEqual(rows, [said])
    assert.notEqual(said.serverId, before.said.serverId)
  })

  test('nobody is refused by the others while the service is elsewhere', async () => {
    const [home, neighbour, third] = cluster.nodes
    assert.ok(home && neighbour && third)
    const away = (await serviceNodes()).has(third) ? neighbour : third
    const rest = cluster.nodes.filter((node) => node !== away)
    away.signal('SIGKILL')
    for (let round = 0; round < 5; round += 1) {
      for (const node of rest) assert.equal(await getsIn(node), true)
    }
    await away.restart()
    await cluster.joined()
    assert.equal(await getsIn(away), true)
  })
})

/** Where the service is connected now. */
async function serviceNodes(): Promise<Set<NatsServer>> {
  const nodes = new Set<NatsServer>()
  for (const node of cluster.nodes) {
    const answer = await fetch(`${node.monitorUrl}/connz?auth=true`)
    const { connections } = (await answer.json()) as { connections: readonly { authorized_user?: string }[] }
    if (connections.some((connection) => connection.authorized_user === 'auth')) nodes.add(node)
  }
  return nodes
}
