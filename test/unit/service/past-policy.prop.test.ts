import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rowsBefore, type PastChange } from '../../../src/service/past-policy.ts'

interface Step {
  readonly name: string
  /** Undefined takes the row away. */
  readonly value: number | undefined
}

const STEPS = fc.array(
  fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd'),
    value: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
  }),
  { maxLength: 40 },
)
const isSame = (a: number, b: number): boolean => a === b

/** The rows before each step and after the last one, and the changes that the steps made. */
function played(steps: readonly Step[]) {
  const states: ReadonlyMap<string, number>[] = [new Map()]
  const changes: (PastChange<number> | undefined)[] = []
  for (const { name, value } of steps) {
    const before = states.at(-1) ?? new Map<string, number>()
    const after = new Map(before)
    if (value === undefined) after.delete(name)
    else after.set(name, value)
    const [was, is] = [before.get(name), after.get(name)]
    const change = { name, ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) }
    changes.push(was === undefined && is === undefined ? undefined : change)
    states.push(after)
  }
  return { states, changes }
}

function byName(rows: ReadonlyMap<string, number>): object {
  return Object.fromEntries(rows)
}

test('the rows of any moment are those of the end with every change since taken back', () => {
  fc.assert(
    fc.property(STEPS, fc.nat(), (steps, position) => {
      const { states, changes } = played(steps)
      const moment = position % states.length
      const since = changes.slice(moment).filter((change) => change !== undefined)
      const before = rowsBefore(states.at(-1) ?? new Map(), since, isSame)
      assert.ok('rows' in before)
      assert.deepEqual(byName(before.rows), byName(states[moment] ?? new Map()))
    }),
  )
})

test('a change that is missing is noticed, unless it is the first of its row', () => {
  fc.assert(
    fc.property(STEPS, fc.nat(), (steps, position) => {
      const distinct = steps.map(({ name, value }, index) => ({ name, value: value === undefined ? value : index }))
      const { states, changes } = played(distinct)
      const made = changes.filter((change) => change !== undefined)
      const missing = made[position % Math.max(1, made.length)]
      fc.pre(missing !== undefined)
      const before = rowsBefore(
        states.at(-1) ?? new Map(),
        made.filter((change) => change !== missing),
        isSame,
      )
      if ('rows' in before) assert.ok(!made.slice(0, made.indexOf(missing)).some(({ name }) => name === missing.name))
    }),
  )
})

test('rows that the changes do not lead to are told by their name', () => {
  const changes = [{ name: 'a', after: 1 }]
  assert.deepEqual(rowsBefore(new Map([['a', 2]]), changes, isSame), { inconsistent: 'a' })
  assert.deepEqual(rowsBefore(new Map(), changes, isSame), { inconsistent: 'a' })
  assert.deepEqual(rowsBefore(new Map([['b', 1]]), [{ name: 'b', before: 1 }], isSame), { inconsistent: 'b' })
})
