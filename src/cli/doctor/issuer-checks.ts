import type { IssuerInspection } from '../../oidc/issuer-inspection.ts'
import type { IssuerConfig } from '../../config/config.ts'
import { fail, ok, skipped, warn, type Check, type Finding } from './check.ts'
import { judgeClock } from './judge-clock.ts'

/** Whole seconds of an HTTP date, and the way of the answer. */
const HTTP_DATE_UNCERTAINTY_MS = 1_000

export const ISSUER_CHECKS: readonly Check[] = [
  {
    id: 'issuers.keys',
    title: 'each issuer gives usable keys for each of its algorithms, and its discovery document is its own',
    async run(context) {
      const issuers = await context.issuers()
      if (issuers.length === 0) return [skipped('no issuer has keys')]
      return issuers.map(({ entry, result }) => judgeIssuer(entry, result))
    },
  },
  {
    id: 'issuers.clock',
    title: 'the clocks of the issuers agree with ours',
    async run(context) {
      const issuers = await context.issuers()
      if (issuers.length === 0) return [skipped('no issuer has keys')]
      return issuers.map(({ entry, result }) =>
        result instanceof Error || result.clockOffsetMs === undefined
          ? skipped(`${entry.id} does not tell its time`)
          : judgeClock(entry.id, result.clockOffsetMs, HTTP_DATE_UNCERTAINTY_MS),
      )
    },
  },
]

export function judgeIssuer(
  { id, issuer }: Pick<IssuerConfig, 'id' | 'issuer'>,
  result: IssuerInspection | Error,
): Finding {
  if (result instanceof Error) {
    return fail(
      `${id}: ${result.message} (${issuer})`,
      'issuer must be exactly what the discovery document says, and its host must be reachable from here, with its CA',
    )
  }
  const { usableKeys, algorithmsWithoutKey, refusals } = result
  const keys = `${id}: ${usableKeys} usable ${usableKeys === 1 ? 'key' : 'keys'}`
  if (algorithmsWithoutKey.length > 0) {
    return warn(
      `${keys}, none for ${algorithmsWithoutKey.join(', ')}`,
      'take algorithms that the issuer does not use out of its entry',
    )
  }
  if (refusals.length > 0)
    return warn(`${keys}; others are refused: ${refusals.join('; ')}`, 'tell the owner of the issuer')
  return ok(keys)
}
