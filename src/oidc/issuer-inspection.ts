import type { Clock } from '../service/ports.ts'
import { fetchHttpDocument } from './document-fetch.ts'
import type { IssuerOptions, KeyOrigin } from './issuer-options.ts'
import { createKeySource } from './key-source.ts'

/** What the keys of an issuer are like at this moment. */
export interface IssuerInspection {
  /** How many keys verify a signature of an allowed algorithm. */
  readonly usableKeys: number
  /** Allowed algorithms that no published key verifies. */
  readonly algorithmsWithoutKey: readonly string[]
  /** Why keys were refused, each reason once. */
  readonly refusals: readonly string[]
  /** The clock of the issuer's server minus ours, to the second; absent for keys in a file. */
  readonly clockOffsetMs?: number
}

/**
 * Fetches the keys of an issuer entry exactly as the service does, discovery and its check of `issuer` included. Throws an
 * `Error` with the reason, which is safe to show, when the service could not use them either.
 */
export async function inspectIssuer(
  entry: Pick<IssuerOptions, 'issuer' | 'algorithms' | 'http' | 'refresh'> & { readonly keys: KeyOrigin },
  clock: Clock,
  signal: AbortSignal,
): Promise<IssuerInspection> {
  let clockOffsetMs: number | undefined
  const source = createKeySource(entry, clock, (url, rules) => {
    const askedMs = clock.nowMs()
    const onDate = (date: string | undefined): void => {
      const serverMs = Date.parse(date ?? '')
      if (!Number.isNaN(serverMs)) clockOffsetMs = offsetOf(serverMs, askedMs, clock.nowMs())
    }
    return fetchHttpDocument(url, { ...rules, onDate })
  })
  const keys = await source.load(signal)
  const usable = keys.filter((key) => key.refused === undefined && key.algorithms.length > 0)
  const served = new Set(usable.flatMap((key) => key.algorithms))
  return {
    usableKeys: usable.length,
    algorithmsWithoutKey: entry.algorithms.filter((algorithm) => !served.has(algorithm)),
    refusals: [...new Set(keys.flatMap((key) => key.refused ?? []))],
    ...(clockOffsetMs === undefined ? {} : { clockOffsetMs }),
  }
}

/** The header has whole seconds, cut off, and was written between question and answer: anything in there is no offset. */
function offsetOf(serverMs: number, askedMs: number, answeredMs: number): number {
  if (serverMs > answeredMs) return serverMs - answeredMs
  return Math.min(0, serverMs + 999 - askedMs)
}
