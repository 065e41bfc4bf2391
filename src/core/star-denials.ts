import type { Permissions, SubjectPermission } from './permissions.ts'

/**
 * The same permissions with denials that say twice what a last `*` denies. Up to 2.12.3 (2.11.11 in its series) nats-server looks
 * for a literal token first: where `orders.*` and `orders.new.eu` are denied, it finds the `new` of the longer entry, at which none
 * ends, and lets `orders.new` through, publishes and deliveries alike (`server/sublist.go` matchLevelForAny). An entry of its own
 * closes it. Each lies in a denial that is there already, so no server denies more than it should.
 */
export function guardStarDenials({ publish, subscribe, ...rest }: Permissions): Permissions {
  return { publish: guarded(publish), subscribe: guarded(subscribe), ...rest }
}

function guarded({ allow, deny }: SubjectPermission): SubjectPermission {
  const hidden = hiddenByLonger(deny)
  return { allow, deny: hidden.length === 0 ? deny : [...new Set([...deny, ...hidden])].sort() }
}

/** What entries with a last `*` cover and such a server does not find among these entries. */
export function hiddenByLonger(entries: readonly string[]): string[] {
  const queuesOfPrefix = Map.groupBy(entries.flatMap(readStar), ({ prefix }) => prefix)
  if (queuesOfPrefix.size === 0) return []
  const lengths = new Set([...queuesOfPrefix.keys()].map(({ length }) => length))
  const hidden: string[] = []
  for (const entry of entries) {
    const [subject = ''] = entry.split(' ', 1)
    let start = 0
    for (let end = subject.indexOf('.'); end !== -1; end = subject.indexOf('.', start)) {
      const stars = lengths.has(start) ? queuesOfPrefix.get(subject.slice(0, start)) : undefined
      const isLiteral = subject.slice(start, end) !== '*'
      if (stars !== undefined && isLiteral)
        for (const { queue } of stars) hidden.push(`${subject.slice(0, end)}${queue}`)
      start = end + 1
    }
  }
  return hidden
}

/** Of an entry with a last `*`: what stands before it, and ` queue` or nothing. */
function readStar(entry: string): { prefix: string; queue: string }[] {
  const match = /^((?:\S+\.)?)\*( .+)?$/.exec(entry)
  return match === null ? [] : [{ prefix: match[1] ?? '', queue: match[2] ?? '' }]
}
