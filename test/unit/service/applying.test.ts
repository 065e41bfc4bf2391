import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CalloutError } from '../../../src/core/errors.ts'
import { nameOfRow, type UnsignedRow } from '../../../src/core/policy-row.ts'
import { keyDigest } from '../../../src/documents/digest.ts'
import { applyPlan, CHANGES_PER_STEP } from '../../../src/service/applying.ts'
import { makePlan } from '../../../src/service/planning.ts'
import type { PolicyAdmin } from '../../../src/service/ports.ts'
import { aGrant } from '../../support/builders.ts'
import { MemoryPolicyStore } from '../../support/memory-store.ts'

const EDIT = { source: 'plan', actor: 'ann', reason: 'a test' } as const
const COUNT = 2 * CHANGES_PER_STEP + 1
const WANTED: UnsignedRow[] = Array.from({ length: COUNT }, (_, index) => ({
  kind: 'grant',
  row: { ...aGrant({ id: `g${index}`, effect: index % 2 === 0 ? 'allow' : 'deny' }), scope: 'team' },
}))

async function planOf(store: PolicyAdmin) {
  const options = { scope: 'team', prune: true, adopt: false, keyDigest, progress: () => {} }
  return (await makePlan(store, WANTED, options)).plan
}

/** A store that fails at this edit, as after a loss of its connection. */
function failingAt(store: MemoryPolicyStore, edits: number): Pick<PolicyAdmin, 'edit' | 'lookUp'> {
  let left = edits
  return {
    lookUp: (rows) => store.lookUp(rows),
    async edit(edit) {
      if ((left -= 1) === 0) throw new CalloutError('ERR_STORE_UNAVAILABLE', 'gone')
      await store.edit(edit)
    },
  }
}

suite('a plan of many changes', () => {
  test('is made in several edits, and says how far it is', async () => {
    const store = new MemoryPolicyStore()
    const seen: number[] = []
    const options = { keyDigest, progress: (done: number) => void seen.push(done), dryRun: false }
    assert.equal(await applyPlan(store, await planOf(store), EDIT, options), COUNT)
    assert.deepEqual(seen, [0, CHANGES_PER_STEP, 2 * CHANGES_PER_STEP, COUNT])
  })

  test('adds all denials before the first grant', async () => {
    const store = new MemoryPolicyStore()
    const { changes } = await planOf(store)
    const effects = changes.map(({ after }) => (after !== undefined && 'effect' in after ? after.effect : ''))
    assert.equal(effects.lastIndexOf('deny') < effects.indexOf('allow'), true)
  })

  test('that was interrupted is made to its end by applying it again', async () => {
    const store = new MemoryPolicyStore()
    const plan = await planOf(store)
    const options = { keyDigest, progress: () => {}, dryRun: false }
    const interrupted = applyPlan(failingAt(store, 2), plan, EDIT, options)
    await assert.rejects(interrupted, { message: `after ${CHANGES_PER_STEP} of ${COUNT} changes: gone` })
    assert.equal(await applyPlan(store, plan, EDIT, options), COUNT - CHANGES_PER_STEP)
    assert.deepEqual(new Set((await store.lookUp(WANTED)).map(nameOfRow)), new Set(WANTED.map(nameOfRow)))
    assert.equal(await applyPlan(store, plan, EDIT, options), 0)
  })
})
