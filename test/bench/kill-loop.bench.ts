import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startLocalStack, type LocalStack, type RunningService } from '../../src/dev/stack.ts'
import { seeded, unaudited, watchConnections } from '../support/audited-connections.ts'
import { isAdmitted } from '../support/clients.ts'

/**
 * Kills the service and nats-server with SIGKILL and freezes the Spanner emulator (which would lose everything if it were
 * killed), one after the other at random instants under load, and proves from the events of nats-server that nobody got in whose ALLOW
 * row is not durable. `node test/bench/kill-loop.bench.ts --rounds 60 --seed 1`. Exit code 1 when somebody did.
 */
const LANES = 8
const FREEZE_MS = 3000

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
})
const [rounds, seed] = [Number(values.rounds), Number(values.seed)]
const random = seeded(seed)
const progress = (line: string): void => void process.stderr.write(`${line}\n`)
progress(`seed ${seed}`)

await using stack = await startLocalStack()
await using watch = await watchConnections(stack)
const token = await stack.provider.clientCredentials('orders-service')
const stopping = new AbortController()
const lanes = Array.from({ length: LANES }, async () => {
  while (!stopping.signal.aborted) await isAdmitted(stack, { token }).catch(() => delay(20))
})
let service = stack.service
const kills = { service: 0, natsServer: 0, emulatorFrozen: 0 }
let found: string[] = []
for (let round = 1; round <= rounds && found.length === 0; round += 1) {
  await delay(100 + random() * 1500)
  service = await strike(stack, service)
  found = await unaudited(watch, stack.database)
  if (round % 5 === 0) progress(`round ${round}: ${watch.connected.size} connections, ${JSON.stringify(kills)}`)
}
stopping.abort()
await Promise.all(lanes)
await watch.flush()
found.push(...(await unaudited(watch, stack.database)))
process.stdout.write(
  `${JSON.stringify({ seed, rounds, kills, connections: watch.connected.size, unaudited: [...new Set(found)] }, undefined, 2)}\n`,
)
if (found.length > 0) process.exitCode = 1

async function strike(struck: LocalStack, victim: RunningService): Promise<RunningService> {
  const { nats, emulator } = struck
  const dice = random()
  if (dice < 0.5) {
    kills.service += 1
    victim.process.signal('SIGKILL')
    await victim.process.exited
    return struck.startService()
  }
  if (dice < 0.75) {
    kills.natsServer += 1
    nats.signal('SIGKILL')
    await nats.restart()
  } else {
    kills.emulatorFrozen += 1
    emulator.signal('SIGSTOP')
    await delay(random() * FREEZE_MS)
    emulator.signal('SIGCONT')
  }
  return victim
}
