import process from 'node:process'
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
 * Microseconds for what one admission takes: verify the request, sign the user JWT (and read it back), sign the response;
 * with our codec in the clear and sealed, and with `@nats-io/jwt`. Time of processors, not of the clock: a busy machine
 * changes little.
 */
export async function benchCodec(): Promise<object> {
  const clear = await benchOurs(false)
  const sealed = await benchOurs(true)
  const library = await benchLibrary()
  return {
    microseconds: { clear, sealed, library },
    timesFasterThanLibrary: Math.round(library.allThreads.total / clear.allThreads.total),
  }
}

async function benchOurs(isSealed: boolean): Promise<Costs> {
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
  const pass = async (meter: Meter): Promise<void> => {
    const decodeRequest = createRequestDecoder(decoderOptions)
    meter.restart()
    const decoded = await Promise.all(
      messages.map(async (message) => {
        const one = await decodeRequest(message, header)
        if ('aborted' in one) throw new Error(one.aborted)
        return one
      }),
    )
    meter.lap('verify')
    const asked = await Promise.all(
      decoded.map(async (one) => ({ ...one, allow: await userJwts.issue(anAllow(), one.request, 'corp:alice') })),
    )
    meter.lap('userJwt')
    await Promise.all(
      asked.map(async ({ request, seal, allow }) => {
        const response = await encode(request, { allow })
        seal?.(response)
      }),
    )
    meter.lap('response')
  }
  const [warmUp, meter] = [new Meter(), new Meter()]
  for (let i = 0; i < WARM_UP_PASSES; i++) await pass(warmUp)
  for (let i = 0; i < PASSES; i++) await pass(meter)
  return meter.perRound(PASSES * REQUESTS)
}

async function benchLibrary(): Promise<Costs> {
  const issuer = anIssuer()
  const forge = aForge(issuer.key.publicKey)
  const text = forge.request().toString('latin1')
  const user = aUserNkey()
  const meter = new Meter()
  for (let round = 0; round < LIBRARY_ROUNDS; round++) {
    meter.restart()
    decode(text)
    meter.lap('verify')
    const permissions = { pub: PERMISSIONS.publish, sub: PERMISSIONS.subscribe }
    const userJwt = await encodeUser('corp:alice', user, issuer.pair, permissions, {
      aud: 'APP',
      exp: NOW_SECONDS + 3600,
    })
    meter.lap('userJwt')
    await encodeAuthorizationResponse(user, forge.id, issuer.pair, { jwt: userJwt }, {})
    meter.lap('response')
  }
  return meter.perRound(LIBRARY_ROUNDS)
}

type Step = 'verify' | 'userJwt' | 'response'

interface Costs {
  /** The thread that everything else waits for. */
  readonly mainThread: Readonly<Record<Step | 'total', number>>
  /** With the threads that verify and sign, and those of the garbage collector. */
  readonly allThreads: Readonly<Record<Step | 'total', number>>
}

class Meter {
  readonly #mainThread = { verify: 0, userJwt: 0, response: 0 }
  readonly #allThreads = { verify: 0, userJwt: 0, response: 0 }
  #since = { mainThread: process.threadCpuUsage(), allThreads: process.cpuUsage() }

  restart(): void {
    this.#since = { mainThread: process.threadCpuUsage(), allThreads: process.cpuUsage() }
  }

  lap(step: Step): void {
    const mainThread = process.threadCpuUsage(this.#since.mainThread)
    const allThreads = process.cpuUsage(this.#since.allThreads)
    this.#mainThread[step] += mainThread.user + mainThread.system
    this.#allThreads[step] += allThreads.user + allThreads.system
    this.restart()
  }

  perRound(rounds: number): Costs {
    const mean = (sum: number): number => Math.round((sum / rounds) * 10) / 10
    const means = ({ verify, userJwt, response }: Record<Step, number>): Costs['mainThread'] => ({
      verify: mean(verify),
      userJwt: mean(userJwt),
      response: mean(response),
      total: mean(verify + userJwt + response),
    })
    return { mainThread: means(this.#mainThread), allThreads: means(this.#allThreads) }
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
