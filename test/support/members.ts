import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import type { NatsServer } from '../../src/dev/nats-server.ts'
import type { LocalStack, RunningService } from '../../src/dev/stack.ts'
import type { Cluster } from './cluster.ts'

/** The members of the queue group, each a process, replaced one by one as a rolling update does. */
export interface Members {
  /** Starts a new member, which reads `callout.yaml` as it is now, for each one, and ends that one when the new one is ready. */
  replaceAll(): Promise<void>
  /** The same for those that are connected to this node, which is no longer one of `nats.servers` then. */
  moveAwayFrom(node: NatsServer): Promise<void>
}

/** Of a cluster, the first member of whose stack is one of them. */
export async function startMembers({ stack, nodes }: Cluster, count: number): Promise<Members> {
  let running = [stack.service]
  while (running.length < count) running.push(await stack.startService())
  const replace = async (member: RunningService): Promise<void> => {
    const next = await stack.startService()
    member.process.signal('SIGTERM')
    assert.equal((await member.process.exited).code, 0)
    running = running.map((other) => (other === member ? next : other))
  }
  return {
    async replaceAll() {
      for (const member of running) await replace(member)
    },
    async moveAwayFrom(node) {
      const others = nodes.filter((other) => other !== node).map(({ url }) => `'${url}'`)
      await editCalloutYaml(stack, (yaml) => yaml.replace(/servers: \[[^\]]*\]/, `servers: [${others.join(', ')}]`))
      for (const member of running.filter((candidate) => isConnectedTo(candidate, node))) await replace(member)
    },
  }
}

/** Changes what members that are started from now on read. */
export async function editCalloutYaml({ configFile }: LocalStack, edit: (yaml: string) => string): Promise<void> {
  const before = await readFile(configFile, 'utf8')
  const after = edit(before)
  assert.notEqual(after, before)
  await writeFile(configFile, after)
}

/** By the last line that the member wrote about it. */
function isConnectedTo(member: RunningService, { port }: NatsServer): boolean {
  const lines = member.process.log().matchAll(/"event":"nats_connected","detail":"([^"]+)"/g)
  return [...lines].at(-1)?.[1]?.endsWith(`:${port}`) === true
}
