import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fuzzTokens } from '../../fuzz/token.fuzz.ts'

suite('the fuzzer of tokens', () => {
  test('finds nothing in a short run, in which some tokens are good and most are not', async () => {
    const { accepted, refused } = await fuzzTokens(Date.now() % 2 ** 31, 1500)
    assert.ok(accepted > 0 && refused > accepted, `${accepted} accepted, ${refused} refused`)
  })
})
