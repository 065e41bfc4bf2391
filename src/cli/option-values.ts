import { parsePrincipal } from '../core/principal.ts'
import { usageFailure } from './io.ts'
import { visible } from './visible.ts'

/** Reads `--limit`. Throws a usage failure for what is no number from 1 to `max`. */
export function limitOf(text: string, max: number): number {
  const limit = Number(text)
  if (Number.isInteger(limit) && limit >= 1 && limit <= max) return limit
  throw usageFailure(`--limit must be a number from 1 to ${max}`)
}

/** Throws a usage failure, which names the option, for what is no written principal. */
export function requirePrincipal(principal: string, option: string): void {
  const parsed = parsePrincipal(principal)
  if ('problem' in parsed) throw usageFailure(`${option} ${JSON.stringify(visible(principal))}: ${parsed.problem}`)
}
