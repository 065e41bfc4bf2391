import { DENY_REASONS } from '../core/reasons.ts'
import type { DecisionFilter } from '../service/decision-search.ts'
import { checked } from './actor.ts'
import { parsePast } from './instant.ts'
import { usageFailure } from './io.ts'
import { requirePrincipal } from './option-values.ts'

/** The widest column that a filter is compared with. */
const TEXT_CHARACTERS_MAX = 1024

export interface AuditRange {
  readonly since: string
  readonly until?: string
}

/** What decisions are asked for, as options. */
export interface AuditSelection extends AuditRange {
  readonly principal?: string
  readonly issuer?: string
  readonly outcome?: 'allow' | 'deny'
  readonly reason?: string
  readonly account?: string
  readonly subject?: string
  readonly grant?: string
  readonly address?: string
  readonly server?: string
  readonly tokenId?: string
}

/** Reads the options of a range, by these names. Throws a usage failure for one that holds no time. */
export function rangeOf(
  { since, until }: AuditRange,
  nowMs: number,
  [sinceName, untilName]: readonly [string, string] = ['--since', '--until'],
): { sinceMs: number; untilMs?: number } {
  const sinceMs = parsePast(since, sinceName, nowMs)
  const untilMs = until === undefined ? undefined : parsePast(until, untilName, nowMs)
  if (untilMs !== undefined && untilMs <= sinceMs) throw usageFailure(`${untilName} must be later than ${sinceName}`)
  return { sinceMs, ...(untilMs !== undefined && { untilMs }) }
}

/** Reads the options of a filter. Throws a usage failure for what no decision can hold. */
export function filterOf(selection: AuditSelection, nowMs: number): DecisionFilter & { readonly sinceMs: number } {
  return { ...rangeOf(selection, nowMs), ...partsOf(selection) }
}

/** The same without the range. */
export function partsOf(selection: Omit<AuditSelection, keyof AuditRange>): DecisionFilter {
  const { principal, issuer, outcome, reason, account, subject, grant, address, server, tokenId } = selection
  if (principal !== undefined) requirePrincipal(principal, '--principal')
  if (reason !== undefined && !Object.hasOwn(DENY_REASONS, reason))
    throw usageFailure('--reason must be one of the reasons that the README lists')
  if (reason !== undefined && outcome === 'allow')
    throw usageFailure('--reason is of denials, and --outcome asks for none')
  const texts = {
    principal: checkedText(principal, '--principal'),
    issuer: checkedText(issuer, '--issuer'),
    account: checkedText(account, '--account'),
    subject: checkedText(subject, '--subject'),
    grantId: checkedText(grant, '--grant'),
    address: checkedText(address, '--address'),
    serverName: checkedText(server, '--server'),
    tokenId: checkedText(tokenId, '--token-id'),
  }
  const asked = Object.entries({ ...texts, outcome, reason }).filter(([, value]) => value !== undefined)
  return Object.fromEntries(asked)
}

function checkedText(text: string | undefined, option: string): string | undefined {
  return text === undefined ? undefined : checked(text, option, TEXT_CHARACTERS_MAX)
}
