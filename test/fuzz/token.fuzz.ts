import { createPrivateKey, createPublicKey } from 'node:crypto'
import { parseArgs } from 'node:util'
import { parseCompactJws } from '../../src/oidc/compact-jws.ts'
import { isSafeText } from '../../src/oidc/safe-text.ts'
import { createTokenVerifier } from '../../src/oidc/token-verifier.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { anIssuer, encode, signToken, someClaims } from '../support/oidc.ts'
import type { Signer } from '../support/oidc.ts'
import { RecordedEvents } from '../support/recorded-events.ts'
import { createDice } from './dice.ts'
import type { Dice } from './dice.ts'

/** More than the parser needs for the largest token by two orders of magnitude, so that a busy machine does not matter. */
const PARSE_MS_MAX = 250

const TOKEN_BYTES_MAX = 16_384

const SIGNER = createFixedSigner()

/** Always the same key, of an algorithm without randomness, so that a seed gives the same tokens in every run. */
function createFixedSigner(): Signer {
  const pkcs8 = Buffer.from(`302e020100300506032b657004220420${'01'.repeat(32)}`, 'hex')
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  const alg = 'EdDSA'
  const kid = 'key-1'
  return { kid, alg, privateKey, publicJwk: { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, alg } }
}

/** Texts that have broken parsers: numbers, escapes, names, nesting, encodings. */
const NASTY_JSON = [
  '1e400',
  '-0',
  '1e-400',
  '9007199254740993',
  '0.1',
  'null',
  'true',
  '{}',
  '[]',
  '""',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u0000"',
  '"\u202e"',
  '"e\\u0301"',
  '"\u{1f600}"',
  '[[[[]]]]',
  '{"__proto__":{"sub":"root"}}',
  '{"a":1,"a":2}',
  '{"a":1,"\\u0061":2}',
  '{"constructor":{"prototype":{}}}',
  '["nats",["nats"]]',
  '[null]',
]

const NAMES = [
  'iss',
  'sub',
  'aud',
  'exp',
  'iat',
  'nbf',
  'azp',
  'client_id',
  'groups',
  'cnf',
  'events',
  'act',
  '__proto__',
]

const HEADER_NAMES = ['alg', 'kid', 'typ', 'crit', 'b64', 'jwk', 'jku', 'x5c', 'cty', 'zip', '__proto__']

const CHARACTERS = ' \t\r\n.=+/-_~"{}[]:,\\Aw\u0000\ud800\u00e9\ufeff'.split('')

export interface FuzzSummary {
  readonly runs: number
  readonly refused: number
  readonly accepted: number
  readonly slowestParseMs: number
}

/**
 * Throws hostile tokens at the parser and the whole verifier: mutated texts, and hostile claims under a good signature.
 * Fails with the seed and the token when anything is thrown, takes long, is accepted in a second spelling, or makes an
 * identity of text that is not safe.
 */
export async function fuzzTokens(seed: number, runs: number): Promise<FuzzSummary> {
  const dice = createDice(seed)
  await using verifier = createTokenVerifier({
    issuers: [anIssuer({ keys: { jwksUri: 'https://idp.example/keys' }, algorithms: [SIGNER.alg] })],
    clock: new ManualClock(),
    events: new RecordedEvents(),
    maxTokenBytes: TOKEN_BYTES_MAX,
    fetchDocument: async () => Buffer.from(JSON.stringify({ keys: [SIGNER.publicJwk] })),
  })
  const good = signToken(SIGNER)
  let accepted = 0
  let slowestParseMs = 0
  for (let run = 0; run < runs; run += 1) {
    const isSigned = dice.chance(0.5)
    const token = isSigned ? signedToken(dice) : mutated(good, dice)
    try {
      const since = performance.now()
      parseCompactJws(token, TOKEN_BYTES_MAX)
      slowestParseMs = Math.max(slowestParseMs, performance.now() - since)
      if (slowestParseMs > PARSE_MS_MAX) throw new Error(`parsing took ${Math.round(slowestParseMs)} ms`)
      const verification = await verifier.verify(token, 600)
      if (!verification.accepted) continue
      accepted += 1
      if (!isSigned && token !== good) throw new Error('a text that was not signed was accepted')
      const { subject, groups } = verification.identity
      if (![subject, ...groups].every((text) => isSafeText(text, 255))) throw new Error('an identity is not safe')
    } catch (cause) {
      throw new Error(`run ${run} of seed ${seed}, token ${JSON.stringify(token)}`, { cause })
    }
  }
  return { runs, refused: runs - accepted, accepted, slowestParseMs }
}

/** A good signature over a header and claims that need not be good. */
function signedToken(dice: Dice): string {
  const header = dice.chance(0.3) ? jsonText({ alg: SIGNER.alg, kid: SIGNER.kid, typ: 'JWT' }, HEADER_NAMES, dice) : {}
  return signToken(SIGNER, jsonText(someClaims(), NAMES, dice), header)
}

function jsonText(members: Readonly<Record<string, unknown>>, names: readonly string[], dice: Dice): string {
  const written = Object.entries(members).map(([name, value]) => [name, JSON.stringify(value)] as const)
  for (let times = dice.below(3); times > 0; times -= 1) {
    written.push([dice.pick(names), dice.chance(0.1) ? nested(dice) : dice.pick(NASTY_JSON)])
  }
  const distinct = dice.chance(0.8) ? [...new Map(written)] : written
  const text = `{${distinct.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`
  return dice.chance(0.1) ? mutated(text, dice) : text
}

function nested(dice: Dice): string {
  const depth = dice.below(3000)
  return dice.chance(0.5) ? '['.repeat(depth) + ']'.repeat(depth) : '{"a":'.repeat(depth) + '1' + '}'.repeat(depth)
}

function mutated(text: string, dice: Dice): string {
  let result = text
  for (let times = 1 + dice.below(4); times > 0; times -= 1) result = mutatedOnce(result, dice)
  return result
}

function mutatedOnce(text: string, dice: Dice): string {
  const at = dice.below(text.length + 1)
  const to = Math.min(text.length, at + 1 + dice.below(40))
  switch (dice.below(7)) {
    case 0:
      return text.slice(0, at) + dice.pick(CHARACTERS) + text.slice(at)
    case 1:
      return text.slice(0, at) + dice.pick(CHARACTERS) + text.slice(at + 1)
    case 2:
      return text.slice(0, at) + text.slice(to)
    case 3:
      return text.slice(0, to) + text.slice(at)
    case 4:
      return text.slice(0, at) + encode(dice.pick(NASTY_JSON)) + text.slice(to)
    case 5:
      return text.split('.').sort().join('.')
    default:
      return text + text.slice(at, to).repeat(dice.below(1000))
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { seed: { type: 'string', default: '1' }, runs: { type: 'string', default: '100000' } },
  })
  const summary = await fuzzTokens(Number(values.seed), Number(values.runs))
  process.stdout.write(`${JSON.stringify({ seed: Number(values.seed), ...summary })}\n`)
}
