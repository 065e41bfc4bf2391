import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/transport-node'

/**
 * Many real clients of nats.js with its default settings, in a process of their own: connects them a few at a time, then
 * watches what becomes of them.
 */
export interface ClientTask {
  readonly url: string
  readonly tokens: readonly string[]
  readonly clients: number
}

/** How the clients are, told four times a second. */
export interface ClientCounts {
  readonly connected: number
  /** Have come back since they were all connected. */
  readonly back: number
  readonly closedForGood: number
}

const CONNECTING_AT_ONCE = 32
const TOLD_EVERY_MS = 250

const counts = { connected: 0, back: 0, closedForGood: 0 }

async function one({ url, tokens }: ClientTask, index: number): Promise<void> {
  const token = tokens[index % tokens.length] ?? ''
  for (;;) {
    try {
      watch(await connect({ servers: url, token }))
      return
    } catch {
      // The machine is busy; how many get in at the first attempt is not what is measured.
      await delay(200)
    }
  }
}

function watch(client: NatsConnection): void {
  let connected = true
  let back = false
  counts.connected += 1
  const follow = async (): Promise<void> => {
    for await (const { type } of client.status()) {
      if (type === 'disconnect' && connected) {
        connected = false
        counts.connected -= 1
      }
      if (type === 'reconnect' && !connected) {
        connected = true
        counts.connected += 1
        if (!back) counts.back += 1
        back = true
      }
    }
  }
  void follow()
  void client.closed().then(() => (counts.closedForGood += 1))
}

async function main(task: ClientTask): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < task.clients) await one(task, next++)
  }
  setInterval(() => void process.send?.(counts), TOLD_EVERY_MS)
  await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, worker))
}

process.once('disconnect', () => process.exit())
process.once('message', (task) => void main(task as ClientTask))
