import { BareClient, DEFAULT_SETTINGS, type BareClientOptions } from './bare-client.ts'

/** Clients with the default settings of nats.js, all of them connected. */
export interface Herd {
  readonly counts: { connected: number; closedForGood: number }
  /** What every failed attempt saw since all were connected. */
  readonly failures: string[]
  close(): void
}

const AT_ONCE = 25

export async function connectHerd(size: number, client: Omit<BareClientOptions, 'settings'>): Promise<Herd> {
  const counts = { connected: 0, closedForGood: 0 }
  const failures: string[] = []
  const events = {
    connected: () => void (counts.connected += 1),
    disconnected: () => void (counts.connected -= 1),
    failed: (why: string) => void failures.push(why),
    closedForGood: () => void (counts.closedForGood += 1),
  }
  const clients = Array.from({ length: size }, () => new BareClient({ ...client, settings: DEFAULT_SETTINGS }, events))
  for (let next = 0; next < size; next += AT_ONCE) {
    await Promise.all(clients.slice(next, next + AT_ONCE).map((one) => one.run()))
  }
  failures.length = 0
  return {
    counts,
    failures,
    close() {
      for (const one of clients) one.close()
    },
  }
}
