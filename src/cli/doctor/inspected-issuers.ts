import type { Config, IssuerConfig } from '../../config/config.ts'
import { inspectIssuer, type IssuerInspection } from '../../oidc/issuer-inspection.ts'
import type { Clock } from '../../service/ports.ts'
import { asError } from './as-error.ts'

export interface InspectedIssuer {
  readonly entry: IssuerConfig
  readonly result: IssuerInspection | Error
}

/**
 * Fetches the keys of each issuer that has some once, through its first entry: that is where its keys come from.
 */
export async function inspectIssuers({
  config,
  clock,
}: {
  readonly config: Config
  readonly clock: Clock
}): Promise<readonly InspectedIssuer[]> {
  const firstEntries = Map.groupBy(config.issuers, ({ issuer }) => issuer)
    .values()
    .flatMap(([first]) => (first?.keys === undefined ? [] : [{ ...first, keys: first.keys }]))
    .toArray()
  // Each document has its own time limit (`http.timeout`).
  const { signal } = new AbortController()
  return Promise.all(
    firstEntries.map(async (entry) => ({
      entry,
      result: await inspectIssuer(entry, clock, signal).catch((error: unknown) => asError(error)),
    })),
  )
}
