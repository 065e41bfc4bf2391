/** Why a member is not in the queue group. */
export const TROUBLES = {
  deaf: 'its own heartbeat does not come back',
  slow: 'it stands still again and again, and others do not',
  store: 'it cannot use the store, and others can',
} as const

export type Trouble = keyof typeof TROUBLES

/** What a member knows of itself and of the others, a few times a second. */
export interface Condition {
  readonly nowMs: number
  /** Own heartbeats sent without hearing one, since one was heard on this connection; 0 as long as none ever was. */
  readonly heartbeatsLost: number
  /** Longest standstill since the last look. */
  readonly standstillMs: number
  readonly storeUsable: boolean
  /** Other members that say that they are in the group and well. */
  readonly ablePeers: number
}

export interface Membership {
  /** Why the member has to be out of the group now; undefined while it belongs in. */
  readonly trouble: Trouble | undefined
  /** Whether others can rely on this member: it is in the group, and nothing is wrong with it. */
  readonly able: boolean
  /** To be called a few times a second. */
  look(condition: Condition): void
}

/** 3 s at four heartbeats a second: nats-server waits 2 s for an answer, so everything on this way was lost. */
export const HEARTBEATS_LOST_MAX = 12
/** A standstill of this length takes most of the time for a request away. */
const STANDSTILL_MS = 1000
/** The second standstill within this time makes a member slow; it stays so until this time has passed without one. */
const SLOW_FOR_MS = 20_000
/** Longer than it takes every member to notice the same outage and to say so. */
const STORE_UNUSABLE_MS = 6000
const WELL_FOR_MS = 5000

/**
 * Decides whether a member belongs in the queue group. nats-server gives each request to one member and never to a second,
 * so that a member which cannot serve costs its share of all connects.
 *
 * A deaf member leaves in any case: nothing that it does arrives. With any other trouble it leaves only while another
 * member is able: when all of them have the same trouble, an outage of the store or an overload, a refusal at once is
 * better for clients than the silence of an empty group. Trouble with the keys of requests is none of these: whoever can
 * send garbage could empty the group with it.
 */
export function createMembership(): Membership {
  let trouble: Trouble | undefined
  let unwellMs = Number.NEGATIVE_INFINITY
  let able = false
  const symptoms = createSymptoms()
  return {
    get trouble() {
      return trouble
    },
    get able() {
      return able
    },
    look(condition) {
      const { nowMs, ablePeers } = condition
      const { lasting, passing } = symptoms(condition)
      if (lasting !== undefined) unwellMs = nowMs
      const recovering = trouble !== undefined && nowMs - unwellMs < WELL_FOR_MS
      const reason = lasting ?? (recovering ? trouble : undefined)
      trouble = lasting === 'deaf' || ablePeers > 0 ? reason : undefined
      able = trouble === undefined && reason === undefined && !passing
    },
  }
}

interface Symptoms {
  /** Reason enough to leave. */
  readonly lasting: Trouble | undefined
  /** Something is wrong at this moment. */
  readonly passing: boolean
}

function createSymptoms(): (condition: Condition) => Symptoms {
  let usableMs = Number.NEGATIVE_INFINITY
  let standstills: number[] = []
  let slow = false
  return ({ nowMs, heartbeatsLost, standstillMs, storeUsable }) => {
    if (storeUsable || usableMs === Number.NEGATIVE_INFINITY) usableMs = nowMs
    standstills = standstills.filter((atMs) => nowMs - atMs < SLOW_FOR_MS).slice(-1)
    if (standstillMs >= STANDSTILL_MS) standstills.push(nowMs)
    slow = standstills.length > (slow ? 0 : 1)
    const passing = heartbeatsLost > 2 || standstills.length > 0 || !storeUsable
    if (heartbeatsLost >= HEARTBEATS_LOST_MAX) return { lasting: 'deaf', passing }
    if (slow) return { lasting: 'slow', passing }
    if (nowMs - usableMs >= STORE_UNUSABLE_MS) return { lasting: 'store', passing }
    return { lasting: undefined, passing }
  }
}
