import type { Decision } from './decision.ts'
import type { Permissions } from './permissions.ts'
import { covers, parseSubjectPattern, type SubjectPattern } from './subject.ts'

/** What a plan does to a session: what it can do no more, and what it can do besides, each as `subscribe orders.> queue`. */
export interface SessionEffect {
  readonly kind: 'cut' | 'narrowed' | 'widened'
  /** Of a session that is cut: the reason of the refusal. */
  readonly reason?: string
  readonly lost: readonly string[]
  readonly gained: readonly string[]
}

/** Undefined when nothing changes for it, or when it would be refused today as well. */
export function effectOn(before: Decision, after: Decision): SessionEffect | undefined {
  if (before.outcome === 'deny') return undefined
  if (after.outcome === 'deny') return { kind: 'cut', reason: after.reason, lost: [], gained: [] }
  if (after.account !== before.account)
    return { kind: 'cut', reason: `placed in ${after.account}`, lost: [], gained: [] }
  const lost = missingIn(before.permissions, after.permissions)
  const gained = missingIn(after.permissions, before.permissions)
  if (after.expiresAt < before.expiresAt) lost.push(`${before.expiresAt - after.expiresAt}s of its length`)
  if (after.expiresAt > before.expiresAt) gained.push(`${after.expiresAt - before.expiresAt}s of length`)
  if (lost.length > 0) return { kind: 'narrowed', lost, gained }
  return gained.length > 0 ? { kind: 'widened', lost, gained } : undefined
}

/** What `more` allows and `less` does not, or `less` denies and `more` does not. */
function missingIn(more: Permissions, less: Permissions): string[] {
  const missing: string[] = []
  for (const side of ['publish', 'subscribe'] as const) {
    const [allowed, denied] = [less[side].allow.map(parsedEntry), new Set(more[side].deny)]
    for (const entry of more[side].allow) {
      const parsed = parsedEntry(entry)
      if (!allowed.some((wide) => holds(wide, parsed))) missing.push(`${side} ${entry}`)
    }
    // A side that is closed altogether has lost its entries above.
    if (less[side].allow.length === 0) continue
    for (const entry of less[side].deny) if (!denied.has(entry)) missing.push(`${side} ${entry} (denied)`)
  }
  const [answers, answersLess] = [more.responses, less.responses]
  if (answers !== undefined && JSON.stringify(answers) !== JSON.stringify(answersLess))
    missing.push(`${answers.max} answers within ${answers.ttlMs}ms`)
  return missing
}

interface Entry {
  readonly pattern: SubjectPattern | undefined
  readonly queue: string | undefined
  readonly text: string
}

function parsedEntry(text: string): Entry {
  const [subject = '', queue] = text.split(' ')
  const parsed = parseSubjectPattern(subject)
  return { pattern: 'pattern' in parsed ? parsed.pattern : undefined, queue, text }
}

function holds(wide: Entry, narrow: Entry): boolean {
  if (wide.text === narrow.text) return true
  if (wide.queue !== undefined && wide.queue !== narrow.queue) return false
  return wide.pattern !== undefined && narrow.pattern !== undefined && covers(wide.pattern, narrow.pattern)
}
