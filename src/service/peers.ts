/** Where the connection of a member is: nats-server's id and the connection id there. */
export interface ConnectionAddress {
  readonly serverId: string
  readonly connectionId: number
}

/** What a member says about itself. */
export interface Heartbeat {
  readonly memberId: string
  /** It is in the queue group, and nothing is wrong with it. */
  readonly able: boolean
  readonly address: ConnectionAddress
}

/**
 * The other members, as far as they were heard. Time is counted in our own looks: whoever stands still himself does
 * not look meanwhile, and so does not take everybody else for silent.
 */
export interface Peers {
  heard(heartbeat: Heartbeat): void
  /** To be called once for each heartbeat of our own. */
  look(): void
  /** Members that were heard of late and are able. */
  readonly able: number
  /** Members that were not heard for so long that something must be wrong with them. */
  readonly silent: readonly Heartbeat[]
  forget(memberId: string): void
}

/** A second, at four looks a second. */
export const LOOKS_UNTIL_SILENT = 4
/** A group has a few members; a flood of made-up ones must not fill the memory. */
const PEERS_MAX = 256

export function createPeers(): Peers {
  const peers = new Map<string, { readonly heartbeat: Heartbeat; missed: number }>()
  const isSilent = ({ missed }: { readonly missed: number }): boolean => missed >= LOOKS_UNTIL_SILENT
  return {
    heard(heartbeat) {
      if (peers.size >= PEERS_MAX && !peers.has(heartbeat.memberId)) return
      peers.set(heartbeat.memberId, { heartbeat, missed: 0 })
    },
    look() {
      for (const peer of peers.values()) peer.missed += 1
    },
    get able() {
      return [...peers.values()].filter((peer) => peer.heartbeat.able && !isSilent(peer)).length
    },
    get silent() {
      return [...peers.values()].filter(isSilent).map(({ heartbeat }) => heartbeat)
    },
    forget: (memberId) => void peers.delete(memberId),
  }
}
