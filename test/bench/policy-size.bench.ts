import { decide } from '../../src/core/decide.ts'
import type { Identity } from '../../src/core/identity.ts'
import { lockKeys } from '../../src/core/locks.ts'
import type { UnsignedRow } from '../../src/core/policy-row.ts'
import { systemClock } from '../../src/service/clock.ts'
import type { PolicyReader } from '../../src/service/ports.ts'
import { createPolicyReader } from '../../src/spanner/policy-store.ts'
import { aDecisionInput, anIdentity, sessionRules } from '../support/builders.ts'
import { insertPolicy } from '../support/insert-policy.ts'
import { createTestDatabase, inMs, startOwnEmulator } from '../support/spanner.ts'
import { figure } from './figure.ts'
import type { Figures } from './figure.ts'
import { describeCommit, describeMachine } from './machine.ts'

/**
 * What a decision takes with few and with many rows in `Grants`, as a process of its own:
 * `node test/bench/policy-size.bench.ts [rows ...]`. Two databases of one emulator have the same principals with a dozen grants each, and
 * others besides up to 1,000 rows and up to each of the sizes; decisions on one and on the other take turns. Prints JSON, progress on stderr.
 */
const SMALL_ROWS = 1000
const DEFAULT_SIZES = [20_000, 200_000]
const DECIDED_ON = 40
const OWN_GRANTS = 6
const GROUP_GRANTS = 4
const ROLE_GRANTS = 2
const WARM_UP_PAIRS = 20
/** The strong reads of an emulator get slower with each, of both databases alike; so few do not hide a difference. */
const PAIRS = 200
const READ_TIMEOUT_MS = 10_000

const IDENTITIES: readonly Identity[] = Array.from({ length: DECIDED_ON }, (_, index) =>
  // Spread over the range of keys that the others have.
  anIdentity({ subject: `u${index * 7}-decided`, groups: ['ops'] }),
)

function grants(principal: string, count: number): UnsignedRow[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: 'grant',
    row: {
      id: `${principal.replaceAll(':', '-')}-${index}`,
      principal,
      account: 'APP',
      effect: 'allow',
      action: index % 2 === 0 ? 'publish' : 'subscribe',
      subject: `orders.${index}.{{subject}}.new`,
      scope: 'bench',
      name: `doc-${index}`,
    },
  }))
}

/** A dozen grants for each: of its own, of its group, and of a role that its group has. */
function decidedOn(): UnsignedRow[] {
  return [
    ...IDENTITIES.flatMap(({ subject }) => grants(`user:corp:${subject}`, OWN_GRANTS)),
    ...grants('group:corp:ops', GROUP_GRANTS),
    ...grants('role:reader', ROLE_GRANTS),
    { kind: 'binding', row: { member: 'group:corp:ops', role: 'role:reader' } },
  ]
}

/** Grants of others, a dozen each, from one number of rows up to another. */
function* others(from: number, to: number): Generator<UnsignedRow> {
  const each = OWN_GRANTS + GROUP_GRANTS + ROLE_GRANTS
  for (let number = 0; from + number < to; number += each)
    yield* grants(`user:corp:u${from + number}`, Math.min(each, to - from - number))
}

async function decideOnce(reader: PolicyReader, identity: Identity): Promise<number> {
  const since = performance.now()
  const { accounts } = sessionRules()
  const policy = await reader.read(lockKeys(identity, accounts.keys()), inMs(READ_TIMEOUT_MS))
  const decision = decide(aDecisionInput({ identity, policy }))
  const tookMs = performance.now() - since
  if (decision.outcome !== 'allow' || decision.grantIds.length !== OWN_GRANTS + GROUP_GRANTS + ROLE_GRANTS)
    throw new Error('the decision is not the one that the rows make')
  return tookMs
}

async function measurePairs(small: PolicyReader, large: PolicyReader, count: number): Promise<Figures> {
  const pairs: { small: number; large: number }[] = []
  for (let index = 0; index < count; index += 1) {
    const identity = IDENTITIES[index % DECIDED_ON] ?? anIdentity()
    // Who comes second profits from a warm cache: they take turns.
    const isSmallFirst = index % 2 === 0
    const first = await decideOnce(isSmallFirst ? small : large, identity)
    const second = await decideOnce(isSmallFirst ? large : small, identity)
    pairs.push(isSmallFirst ? { small: first, large: second } : { small: second, large: first })
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
  return {
    small: figure(median(pairs.map(({ small: ms }) => ms)), 'ms'),
    large: figure(median(pairs.map(({ large: ms }) => ms)), 'ms'),
    ratio: figure(median(pairs.map((pair) => pair.large / pair.small)), 'large/small'),
  }
}

async function main(): Promise<void> {
  const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : DEFAULT_SIZES
  const [date, machine, commit] = [new Date().toISOString(), await describeMachine(), await describeCommit()]
  const emulator = await startOwnEmulator()
  try {
    await using small = await createTestDatabase(emulator.host)
    await using large = await createTestDatabase(emulator.host)
    const [smallReader, largeReader] = [createPolicyReader(small.database), createPolicyReader(large.database)]
    const decided = decidedOn()
    const grantsOfDecided = decided.filter(({ kind }) => kind === 'grant').length
    for (const { database } of [small, large])
      await insertPolicy(database, [...decided, ...others(grantsOfDecided, SMALL_ROWS)])
    await measurePairs(smallReader, largeReader, WARM_UP_PAIRS)
    const figures: Record<string, Figures> = {
      [SMALL_ROWS]: await measurePairs(smallReader, largeReader, PAIRS),
    }
    let rows = SMALL_ROWS
    for (const size of sizes) {
      const sinceMs = systemClock.monotonicMs()
      await insertPolicy(large.database, others(rows, size))
      const filledMs = systemClock.monotonicMs() - sinceMs
      rows = size
      await measurePairs(smallReader, largeReader, WARM_UP_PAIRS)
      const measured = await measurePairs(smallReader, largeReader, PAIRS)
      figures[size] = { ...measured, filling: figure(filledMs / 1000, 's') }
      process.stderr.write(`${size} rows: ${JSON.stringify(figures[size])}\n`)
    }
    process.stdout.write(`${JSON.stringify({ date, commit, machine, pairs: PAIRS, figures }, undefined, 2)}\n`)
  } finally {
    await emulator.stop()
  }
}

if (import.meta.main) await main()
