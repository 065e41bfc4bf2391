import { entriesWithin, subjectOf, type Permissions, type SubjectPermission } from './permissions.ts'

/**
 * The same permissions with denials that say twice what a last `*` denies. Up to 2.12.3 (2.11.11 in its series) nats-server looks
 * for a literal token first: where `orders.*` and `orders.new.eu` are denied, it finds the `new` of the longer entry, at which none
 * ends, and lets `orders.new` through, publishes and deliveries alike (`server/sublist.go` matchLevelForAny). An entry of its own
 * closes it. Each lies in a denial that is there already, so no server denies more than it should. Undefined as soon as the permissions
 * are certainly larger than `bytesMax`: of a few thousand denials, millions of entries can be made.
 */
export function guardStarDenials(permissions: Permissions): Permissions
export function guardStarDenials(permissions: Permissions, bytesMax: number): Permissions | undefined
export function guardStarDenials(
  { publish, subscribe, ...rest }: Permissions,
  bytesMax = Infinity,
): Permissions | undefined {
  const publishing = guarded(publish, bytesMax)
  const subscribing = guarded(subscribe, bytesMax)
  if (publishing === undefined || subscribing === undefined) return undefined
  return { publish: publishing, subscribe: subscribing, ...rest }
}

function guarded({ allow, deny }: SubjectPermission, bytesMax: number): SubjectPermission | undefined {
  const entries = entriesWithin(withHidden(deny), bytesMax)
  return entries === undefined ? undefined : { allow, deny: entries }
}

function* withHidden(entries: readonly string[]): Generator<string> {
  yield* entries
  yield* hiddenByLonger(entries)
}

/** What entries with a last `*` cover and such a server does not find among these entries; each once. */
export function* hiddenByLonger(entries: readonly string[]): Generator<string> {
  const queuesOfPrefix = Map.groupBy(entries.flatMap(readStar), ({ prefix }) => prefix)
  if (queuesOfPrefix.size === 0) return
  const lengths = new Set([...queuesOfPrefix.keys()].map(({ length }) => length))
  const seen = new Set<string>()
  for (const entry of entries) {
    const subject = subjectOf(entry)
    let start = 0
    for (let end = subject.indexOf('.'); end !== -1; end = subject.indexOf('.', start)) {
      const stars = lengths.has(start) ? queuesOfPrefix.get(subject.slice(0, start)) : undefined
      const isLiteral = subject.slice(start, end) !== '*'
      const covered = subject.slice(0, end)
      if (stars !== undefined && isLiteral && !seen.has(covered)) {
        seen.add(covered)
        for (const { queue } of stars) yield `${covered}${queue}`
      }
      start = end + 1
    }
  }
}

/** Of an entry with a last `*`: what stands before it, and ` queue` or nothing. */
function readStar(entry: string): { prefix: string; queue: string }[] {
  const match = /^((?:\S+\.)?)\*( .+)?$/.exec(entry)
  return match === null ? [] : [{ prefix: match[1] ?? '', queue: match[2] ?? '' }]
}
