import type { AuditEntry } from '../core/audit-entry.ts'
import type { Deny } from '../core/decision.ts'
import { networkOf } from '../core/network.ts'
import type { Clock } from './ports.ts'

export interface RefusalCollapseOptions {
  readonly clock: Clock
  /** Gets the row of refusals that are over: the first of them, with the number of the others. Must not throw. */
  readonly write: (entry: AuditEntry) => void
}

/** Refusals of one kind that get a row of their own in each window. */
const OWN_ROWS = 5
const WINDOW_MS = 10_000
/** Some 12 MB, 40 MB of the most hostile ones. */
const KINDS_MAX = 4096

interface Kind {
  /** Refusals in this window. */
  count: number
  /** The first that has no row of its own, and is the row of all after it. */
  collapsed: { readonly entry: AuditEntry; repeats: number } | undefined
  readonly cancel: () => void
}

/**
 * Keeps a flood of refusals from filling the audit: of refusals of the same principal, or of nobody that is known, for the same reason,
 * from the same address (IPv6: /64) and by the same issuer, the first ones of ten seconds have a row each, and all others share one that counts them. Never asked about an admission.
 */
export class RefusalCollapse {
  readonly #options: RefusalCollapseOptions
  readonly #kinds = new Map<string, Kind>()

  constructor(options: RefusalCollapseOptions) {
    this.#options = options
  }

  /** The decision that the client is told, whose row stands for this refusal as well; undefined when it gets a row of its own. */
  absorb(entry: AuditEntry, refusal: Deny): Deny | undefined {
    const { request, issuerId = '', principal = '' } = entry
    const kind = this.#kindOf([refusal.reason, networkOf(request.client.host), issuerId, principal].join('\n'))
    kind.count += 1
    if (kind.count <= OWN_ROWS) return undefined
    if (kind.collapsed === undefined) kind.collapsed = { entry, repeats: 0 }
    else kind.collapsed.repeats += 1
    return { ...refusal, id: kind.collapsed.entry.decision.id }
  }

  /** Writes what is collapsed by now. */
  flush(): void {
    for (const key of this.#kinds.keys()) this.#end(key)
  }

  #kindOf(key: string): Kind {
    const known = this.#kinds.get(key)
    if (known !== undefined) return known
    if (this.#kinds.size >= KINDS_MAX) {
      const [oldest] = this.#kinds.keys()
      if (oldest !== undefined) this.#end(oldest)
    }
    const cancel = this.#options.clock.after(WINDOW_MS, () => this.#end(key))
    const kind: Kind = { count: 0, collapsed: undefined, cancel }
    this.#kinds.set(key, kind)
    return kind
  }

  #end(key: string): void {
    const kind = this.#kinds.get(key)
    this.#kinds.delete(key)
    kind?.cancel()
    if (kind?.collapsed === undefined) return
    const { entry, repeats } = kind.collapsed
    const counted = { ...entry, repeats: { count: repeats, sinceMs: entry.decision.decidedAtMs } }
    this.#options.write(repeats === 0 ? entry : counted)
  }
}
