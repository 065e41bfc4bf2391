import { decode, encodeAuthorizationResponse, encodeUser } from '@nats-io/jwt'
import type { Allow } from '../../src/core/decision.ts'
import { createRequestDecoder } from '../../src/nats/authorization-request.ts'
import { createResponseEncoder, createUserJwtIssuer } from '../../src/nats/authorization-response.ts'
import { serverConfigurationSigners } from '../../src/nats/signers.ts'
import { NOW_MS, NOW_SECONDS } from '../support/builders.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { aForge, aUserNkey, anIssuer, anXKey } from '../support/nats.ts'

/** Distinct requests, for the decoder takes none twice; each pass over them has a decoder of its own. */
const REQUESTS = 200
/** Enough for the compiler to settle; the library is some hundred times slower. */
const WARM_UP_PASSES = 5
const PASSES = 10
const LIBRARY_ROUNDS = 30

const PERMISSIONS = {
  publish: { allow: ['orders.*.new', 'orders.*.paid', 'telemetry.>'], deny: ['orders.internal.>'] },
  subscribe: { allow: ['_INBOX.alice.>', 'orders.*.done', 'work.> crew'], deny: [] },
}

/**
 * Microseconds of one thread for what one admission takes: verify the request, sign the user JWT (and read it back),
 * sign the response; with our codec in the clear and sealed, and with `@nats-io/jwt`.
 */
export async function benchCodec(): Promise<object> {
  const clear = benchOurs(false)
  const sealed = benchOurs(true)
  const library = await benchLibrary()
  return { microseconds: { clear, sealed, library }, timesFasterThanLibrary: Math.round(library.total / clear.total) }
}

interface Microseconds {
  readonly verify: number
  readonly userJwt: number
  readonly response: number
  readonly total: number
}

function benchOurs(isSealed: boolean): Microseconds {
  const issuer = anIssuer()
  const xkey = anXKey()
  const forge = aForge(issuer.key.publicKey)
  const clock = new ManualClock()
  const signers = serverConfigurationSigners([issuer.key])
  const userJwts = createUserJwtIssuer(signers)
  const encode = createResponseEncoder(signers, clock)
  const xkeys = isSealed ? [xkey.key] : []
  const decoderOptions = { signers, xkeys, clock }
  const header = isSealed ? forge.xkey.key.publicKey : undefined
  const messages = Array.from({ length: REQUESTS }, () => {
    const change = { nats: { user_nkey: aUserNkey() } }
    return isSealed ? forge.sealed(xkey.key.publicKey, change) : forge.request(change)
  })
  const pass = (watch: Stopwatch): void => {
    const decodeRequest = createRequestDecoder(decoderOptions)
    for (const message of messages) {
      watch.restart()
      const decoded = decodeRequest(message, header)
      if ('aborted' in decoded) throw new Error(decoded.aborted)
      watch.lap('verify')
      const userJwt = userJwts.issue(anAllow(), decoded.request, 'corp:alice')
      watch.lap('userJwt')
      const response = encode(decoded.request, { allow: userJwt })
      decoded.seal?.(response)
      watch.lap('response')
    }
  }
  const [warmUp, watch] = [new Stopwatch(), new Stopwatch()]
  for (let i = 0; i < WARM_UP_PASSES; i++) pass(warmUp)
  for (let i = 0; i < PASSES; i++) pass(watch)
  return watch.perRound(PASSES * REQUESTS)
}

async function benchLibrary(): Promise<Microseconds> {
  const issuer = anIssuer()
  const forge = aForge(issuer.key.publicKey)
  const text = forge.request().toString('latin1')
  const user = aUserNkey()
  const watch = new Stopwatch()
  for (let round = 0; round < LIBRARY_ROUNDS; round++) {
    watch.restart()
    decode(text)
    watch.lap('verify')
    const permissions = { pub: PERMISSIONS.publish, sub: PERMISSIONS.subscribe }
    const userJwt = await encodeUser('corp:alice', user, issuer.pair, permissions, {
      aud: 'APP',
      exp: NOW_SECONDS + 3600,
    })
    watch.lap('userJwt')
    await encodeAuthorizationResponse(user, forge.id, issuer.pair, { jwt: userJwt }, {})
    watch.lap('response')
  }
  return watch.perRound(LIBRARY_ROUNDS)
}

class Stopwatch {
  readonly #micros = { verify: 0, userJwt: 0, response: 0 }
  #since = 0

  restart(): void {
    this.#since = performance.now()
  }

  lap(name: 'verify' | 'userJwt' | 'response'): void {
    const now = performance.now()
    this.#micros[name] += (now - this.#since) * 1000
    this.restart()
  }

  perRound(rounds: number): Microseconds {
    const mean = (sum: number): number => Math.round((sum / rounds) * 10) / 10
    const { verify, userJwt, response } = this.#micros
    const total = verify + userJwt + response
    return { verify: mean(verify), userJwt: mean(userJwt), response: mean(response), total: mean(total) }
  }
}

function anAllow(): Allow {
  return {
    outcome: 'allow',
    id: '018bcfe5-6800-7000-8000-000000000000',
    decidedAtMs: NOW_MS,
    skippedGrants: [],
    account: 'APP',
    permissions: PERMISSIONS,
    expiresAt: NOW_SECONDS + 3600,
    grantIds: [],
  }
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(await benchCodec(), undefined, 2)}\n`)
