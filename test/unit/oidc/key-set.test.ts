import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import type { CalloutError } from '../../../src/core/errors.ts'
import { KeySet } from '../../../src/oidc/key-set.ts'
import type { KeyMatch, KeySetOptions } from '../../../src/oidc/key-set.ts'
import { importWebKeys } from '../../../src/oidc/web-key.ts'
import type { WebKey } from '../../../src/oidc/web-key.ts'
import { ManualClock, settled } from '../../support/manual-clock.ts'
import { anIssuer, createSigner, forgeWithExponentOne } from '../../support/oidc.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'

const { refresh: REFRESH } = anIssuer()

let first: readonly WebKey[]
let second: readonly WebKey[]

before(() => {
  first = importWebKeys({ keys: [createSigner('ES256', 'first').publicJwk] }, ['ES256'])
  second = importWebKeys({ keys: [createSigner('ES256', 'second').publicJwk] }, ['ES256'])
})

/** A key set over a source that answers what the test says: keys, an error, or nothing for now. */
function harness(
  answer: () => readonly WebKey[] | Promise<readonly WebKey[]>,
  options: Pick<KeySetOptions, 'random'> = {},
) {
  const clock = new ManualClock()
  const events = new RecordedEvents()
  const source = { answer, calls: 0 }
  const keySet = new KeySet({
    issuerId: 'corp',
    clock,
    events,
    source: {
      refresh: REFRESH,
      async load(signal) {
        source.calls += 1
        return Promise.race([source.answer(), aborted(signal)])
      },
    },
    ...options,
  })
  const find = (keyId?: string, budgetMs = 600): Promise<KeyMatch> =>
    keySet.find(keyId, 'ES256', clock.monotonicMs() + budgetMs)
  return { clock, events, source, keySet, find }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('stopped')))
  })
}

function never(): Promise<never> {
  return new Promise(() => {})
}

function down(): never {
  throw new Error('connection refused')
}

async function outcome(finding: Promise<KeyMatch>): Promise<string> {
  try {
    const match = await finding
    return match.kind
  } catch (error) {
    return (error as CalloutError).code
  }
}

suite('a key set', () => {
  test('fetches for the first token when it was not started', async () => {
    const { find, source } = harness(() => first)
    assert.deepEqual([await outcome(find('first')), source.calls], ['found', 1])
  })

  test('fetches once for a hundred tokens at once', async () => {
    const { find, source } = harness(() => first)
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcome(find('first'))))
    assert.deepEqual([new Set(outcomes), source.calls], [new Set(['found']), 1])
  })

  test('finds the only fitting key for a token without a key id', async () => {
    assert.equal(await outcome(harness(() => first).find()), 'found')
  })

  test('does not choose between two keys for a token without a key id', async () => {
    assert.equal(await outcome(harness(() => [...first, ...second]).find()), 'ambiguous')
  })

  test('does not choose between two keys with one id', async () => {
    const [key] = first
    assert.ok(key)
    assert.equal(await outcome(harness(() => [key, { ...key }]).find('first')), 'ambiguous')
  })

  test('says that the key of a token was refused', async () => {
    const jwks = { keys: [createSigner('ES256', 'good').publicJwk, forgeWithExponentOne().jwk] }
    const keys = importWebKeys(jwks, ['ES256', 'RS256'])
    const { keySet, clock } = harness(() => keys)
    const match = await keySet.find('key-1', 'RS256', clock.monotonicMs() + 600)
    assert.deepEqual(match, { kind: 'refused', why: 'the RSA exponent is not 65537' })
  })

  test('does not use a key for another algorithm', async () => {
    const { keySet, clock } = harness(() => first)
    assert.equal(await outcome(keySet.find('first', 'ES384', clock.monotonicMs() + 600)), 'absent')
  })
})

suite('a key set and unknown key ids', () => {
  test('fetches again for a key that was published since', async () => {
    const { find, source, clock } = harness(() => first)
    await find('first')
    source.answer = () => second
    await clock.advance(REFRESH.minIntervalMs)
    assert.equal(await outcome(find('second')), 'found')
  })

  test('no longer finds a key that was withdrawn', async () => {
    const { find, source, clock } = harness(() => first)
    await find('first')
    source.answer = () => second
    await clock.advance(REFRESH.intervalMs)
    assert.equal(await outcome(find('first')), 'absent')
  })

  test('fetches at most once in the minimum interval, however many there are', async () => {
    const { find, source, clock } = harness(() => first)
    await find('first')
    await clock.advance(REFRESH.minIntervalMs - 1)
    const outcomes = await Promise.all(Array.from({ length: 1000 }, (_, index) => outcome(find(`made-up-${index}`))))
    assert.deepEqual([new Set(outcomes), source.calls], [new Set(['absent']), 1])
  })

  test('does not say "absent" when the issuer could not be asked', async () => {
    const { find, source, clock } = harness(() => first)
    await find('first')
    source.answer = down
    await clock.advance(REFRESH.minIntervalMs)
    assert.equal(await outcome(find('second')), 'ERR_ISSUER_UNAVAILABLE')
  })
})

suite('a key set whose issuer is down', () => {
  test('says so, with the reason, and not that a token is bad', async () => {
    const { find } = harness(down)
    await assert.rejects(find('first'), {
      code: 'ERR_ISSUER_UNAVAILABLE',
      message: 'issuer corp: connection refused',
    })
  })

  test('asks once in a backoff step, whatever the load', async () => {
    const { find, source } = harness(down)
    for (let index = 0; index < 1000; index += 1) await outcome(find(`key-${index}`))
    assert.equal(source.calls, 1)
  })

  test('asks once in a backoff step, whatever the unknown key ids, and keeps finding known keys', async () => {
    const { find, source, clock } = harness(() => first)
    await find('first')
    source.answer = down
    await clock.advance(REFRESH.minIntervalMs)
    const unknown = await Promise.all(Array.from({ length: 1000 }, (_, index) => outcome(find(`made-up-${index}`))))
    assert.deepEqual(
      [new Set(unknown), await outcome(find('first')), source.calls],
      [new Set(['ERR_ISSUER_UNAVAILABLE']), 'found', 2],
    )
  })

  test('asks after 1, 2, 4 seconds and so on, and at least every minute', async () => {
    const { keySet, source, clock } = harness(down)
    const atSeconds: number[] = []
    source.answer = () => {
      atSeconds.push(clock.monotonicMs() / 1000)
      return down()
    }
    void keySet.start()
    await clock.advance(3 * REFRESH.backoffMaxMs)
    assert.deepEqual(atSeconds, [0, 1, 3, 7, 15, 31, 63, 123])
  })

  test('spreads replicas: waits up to a fifth longer after a failure', async () => {
    const { keySet, source, clock } = harness(down, { random: () => 0.5 })
    const atMs: number[] = []
    source.answer = () => {
      atMs.push(clock.monotonicMs())
      return down()
    }
    void keySet.start()
    await clock.advance(8000)
    assert.deepEqual(atMs, [0, 1100, 3300, 7700])
  })

  test('recovers by itself', async () => {
    const { keySet, source, clock, find } = harness(down)
    void keySet.start()
    await clock.advance(500)
    source.answer = () => first
    await clock.advance(500)
    assert.deepEqual([await outcome(find('first')), source.calls], ['found', 2])
  })

  test('keeps finding the keys it has', async () => {
    const { find, source, clock } = harness(() => first)
    await find('first')
    source.answer = down
    await clock.advance(REFRESH.maxStaleMs)
    assert.equal(await outcome(find('first')), 'found')
  })

  test('gives them up after the longest staleness', async () => {
    const { find, source, clock, keySet } = harness(() => first)
    await find('first')
    source.answer = down
    await clock.advance(REFRESH.maxStaleMs + 1)
    assert.deepEqual([await outcome(find('first')), keySet.readiness().ready], ['ERR_ISSUER_UNAVAILABLE', false])
  })

  test('does not let a token wait past its deadline', async () => {
    const { find, clock } = harness(never)
    const finding = outcome(find('first', 600))
    await clock.advance(600)
    assert.equal(await finding, 'ERR_ISSUER_UNAVAILABLE')
  })

  test('does not let a token with a known key wait at all', async () => {
    const { find, source, clock } = harness(() => first)
    await find('first')
    source.answer = never
    await clock.advance(REFRESH.intervalMs)
    assert.deepEqual([await outcome(find('first')), source.calls], ['found', 2])
  })
})

suite('a key set in the background', () => {
  test('refreshes at its interval without any token', async () => {
    const { keySet, source, clock } = harness(() => first)
    void keySet.start()
    await clock.advance(3 * REFRESH.intervalMs)
    assert.equal(source.calls, 4)
  })

  test('refreshes up to a fifth earlier to spread replicas', async () => {
    const { keySet, source, clock } = harness(() => first, { random: () => 0.5 })
    void keySet.start()
    await clock.advance(REFRESH.intervalMs * 0.9)
    assert.equal(source.calls, 2)
  })

  test('is ready when it holds keys, and says why when it does not', async () => {
    const { keySet, source, clock } = harness(down)
    const before = keySet.readiness()
    void keySet.start()
    await settled()
    const failed = keySet.readiness()
    source.answer = () => first
    await clock.advance(1000)
    assert.deepEqual(
      [before, failed, keySet.readiness()],
      [
        { part: 'issuer:corp', ready: false, why: 'the keys have not been fetched yet' },
        { part: 'issuer:corp', ready: false, why: 'connection refused' },
        { part: 'issuer:corp', ready: true },
      ],
    )
  })

  test('reports every fetch and its failure', async () => {
    const { keySet, source, clock, events } = harness(down)
    void keySet.start()
    await clock.advance(999)
    source.answer = () => first
    await clock.advance(1)
    assert.deepEqual(events.keySets, [
      { issuerId: 'corp', failure: 'connection refused' },
      { issuerId: 'corp', failure: undefined },
    ])
  })

  test('tells the age of its keys from the start of the fetch that brought them', async () => {
    const { keySet, clock } = harness(() => first)
    const before = keySet.ageSeconds()
    void keySet.start()
    await clock.advance(90_000)
    assert.deepEqual([before, keySet.ageSeconds()], [undefined, 90])
  })

  test('does not repeat a failure text that is long or hides characters', async () => {
    const { keySet, events } = harness(() => {
      throw Object.assign(new Error('x\u001b[31m'), { code: 'EPROTO' })
    })
    void keySet.start()
    await settled()
    assert.deepEqual(events.keySets, [{ issuerId: 'corp', failure: 'the keys could not be fetched (EPROTO)' }])
  })

  test('ends a fetch in flight and asks no more once it is disposed of', async () => {
    const { keySet, source, clock, find, events } = harness(never)
    void keySet.start()
    await settled()
    await keySet[Symbol.asyncDispose]()
    await clock.advance(REFRESH.backoffMaxMs)
    assert.deepEqual([await outcome(find('first')), source.calls, events.keySets], ['ERR_ISSUER_UNAVAILABLE', 1, []])
  })
})
