import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fuzzTokens } from '../../fuzz/token.fuzz.ts'

suite('the fuzzer of tokens', () => {
  test('finds nothing in a short run, in which some tokens are good and most are not', async (context) => {
    const seed = Date.now() % 2 ** 31
    context.diagnostic(`seed ${seed}`)
    const { accepted, refused } = await fuzzTokens(seed, 1500)
    assert.ok(accepted > 0 && refused > accepted, `seed ${seed}: ${accepted} accepted, ${refused} refused`)
  })

  test('does the same for the same seed', async () => {
    const runs = await Promise.all([fuzzTokens(7, 200), fuzzTokens(7, 200)])
    const [first, second] = runs.map(({ accepted, refused }) => ({ accepted, refused }))
    assert.deepEqual(first, second)
  })
})
