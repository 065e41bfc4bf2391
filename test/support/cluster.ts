import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { freePort } from '../../src/dev/free-port.ts'
import { locateNatsServer } from '../../src/dev/locate-nats-server.ts'
import { JWTS_CONFIG_FILE } from '../../src/dev/nats-mode.ts'
import { startNatsServer, type NatsServer } from '../../src/dev/nats-server.ts'
import { KEYS_CONFIG_FILE } from '../../src/dev/reference-nats-server.ts'
import { startLocalStack, type LocalStack, type StackOptions } from '../../src/dev/stack.ts'
import { stringValue } from '../../src/spanner/values.ts'
import { inMs, until } from './spanner.ts'

const SIZE = 3
/** Of each node to each other one: a pool of three by default, and one for the system account. */
const ROUTES = (SIZE - 1) * 4
const NAME = 'east'
/** A node looks for its neighbours every second, and a machine under heavy load gets its time. */
const ROUTES_WITHIN_MS = 20_000

/** A stack whose nats-server is one of three that are joined by routes; `nodes[0]` is that of the stack. */
export interface Cluster extends AsyncDisposable {
  readonly stack: LocalStack
  readonly nodes: readonly NatsServer[]
  /** For the option `servers` of a client. */
  readonly urls: readonly string[]
  /** Waits until each of the nodes has all its routes to all the others. */
  joined(): Promise<void>
  /**
   * Restarts a node and waits until it has joined. `reachable` are urls that clients choose from meanwhile: of those that come to
   * the node before it has its routes some would be refused, by the newest nats-server too, so that it is not one of them then.
   */
  restart(node: NatsServer, reachable: string[]): Promise<void>
}

export async function startCluster(options: StackOptions = {}): Promise<Cluster> {
  const ports: number[] = []
  while (ports.length < SIZE) ports.push(await freePort())
  const asNode = (conf: string, index: number): string => conf.replace(/^listen: .*$/m, `$&\n${routing(ports, index)}`)
  const edit = options.editServerConfig ?? ((conf: string) => conf)
  await using starting = new AsyncDisposableStack()
  const stack = starting.use(await startLocalStack({ ...options, editServerConfig: (conf) => asNode(edit(conf), 0) }))
  const included = options.operator === true ? JWTS_CONFIG_FILE : KEYS_CONFIG_FILE
  const folder = path.dirname(stack.nats.configFile)
  const config = await readFile(stack.nats.configFile, 'utf8')
  const includes = { [included]: await readFile(path.join(folder, included), 'utf8') }
  const { path: binary } = await locateNatsServer()
  const nodes = [stack.nats]
  for (let index = 1; index < SIZE; index += 1) {
    const own = config.replace(routing(ports, 0), routing(ports, index))
    nodes.push(starting.use(await startNatsServer({ config: own, path: binary, includes })))
  }
  const joined = (): Promise<void> =>
    until('every node has its routes', ROUTES_WITHIN_MS, async () => {
      const routes = await Promise.all(nodes.map(routesOf))
      return routes.every((count) => count === ROUTES)
    })
  await joined()
  const started = starting.move()
  return {
    stack,
    nodes,
    urls: nodes.map(({ url }) => url),
    joined,
    async restart(node, reachable) {
      const hidden = reachable.splice(reachable.indexOf(node.url), 1)
      await node.restart()
      await joined()
      reachable.push(...hidden)
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

function routing(ports: readonly number[], index: number): string {
  const routes = ports.filter((_, other) => other !== index).map((port) => `nats://127.0.0.1:${port}`)
  return `server_name: n${index + 1}
cluster { name: ${NAME}, listen: "127.0.0.1:${ports[index]}", routes: [${routes.join(', ')}] }`
}

async function routesOf({ monitorUrl }: NatsServer): Promise<number> {
  const answer = await fetch(`${monitorUrl}/routez`)
  const { num_routes: count } = (await answer.json()) as { num_routes: number }
  return count
}

/** Changes the main configuration of a node and the file that it includes; takes effect when it is restarted. */
export async function editNode(node: NatsServer, edit: (conf: string) => string): Promise<void> {
  const included = path.join(path.dirname(node.configFile), KEYS_CONFIG_FILE)
  for (const file of [node.configFile, included]) await writeFile(file, edit(await readFile(file, 'utf8')))
}

/** The users with such a beginning as which connections are open, of all nodes. */
export async function serviceUsers({ nodes }: Cluster, beginning: string): Promise<string[]> {
  const users: string[] = []
  for (const { monitorUrl } of nodes) {
    const answer = await fetch(`${monitorUrl}/connz?auth=true`)
    const { connections } = (await answer.json()) as { connections: readonly { authorized_user?: string }[] }
    users.push(...connections.map((connection) => connection.authorized_user ?? ''))
  }
  return users.filter((user) => user.startsWith(beginning))
}

/** The break-glass user of `nats-server.conf`, on one node. */
export async function connectSystem({ directory }: LocalStack, node: NatsServer): Promise<NatsConnection> {
  const pass = (await readFile(path.join(directory, 'secrets', 'sys.password'), 'utf8')).trim()
  return connect({ servers: node.url, user: 'sys', pass })
}

/** What a row says of where its client was. */
export interface WhereRow {
  readonly serverId: string
  readonly serverName: string
  readonly cluster: string
  readonly connectionId: number
}

/** Of the connections that called themselves `name`, oldest first. */
export async function whereabouts({ database }: LocalStack, name: string): Promise<WhereRow[]> {
  const rows = await database.query(
    'SELECT ServerId, ServerName, Cluster, ConnectionId FROM Decisions WHERE ClientName = @name ORDER BY DecidedAt',
    { name: { value: stringValue(name), type: 'STRING' } },
    inMs(10_000),
  )
  return rows.map((row) => {
    const [serverId = '', serverName = '', cluster = '', connectionId] = row.map((value) => value.stringValue ?? '')
    return { serverId, serverName, cluster, connectionId: Number(connectionId) }
  })
}
