import { readFile } from 'node:fs/promises'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { connect, type Msg } from '@nats-io/transport-node'
import { createRequestDecoder } from '../../src/nats/authorization-request.ts'
import { createResponseEncoder, createUserJwtIssuer } from '../../src/nats/authorization-response.ts'
import { serverConfigurationSigners } from '../../src/nats/signers.ts'
import { CALLOUT_SUBJECT } from '../../src/nats/callout-endpoint.ts'
import { createSigningKey, createXKey } from '../../src/nats/keys.ts'
import { systemClock as clock } from '../../src/service/clock.ts'

/**
 * The least that a callout service can do: it opens a request, signs a user JWT with fixed permissions and the response,
 * and answers. No token is checked, no grant is read, nothing is recorded. What it reaches is what nats-server allows.
 */
const { values } = parseArgs({
  options: {
    nats: { type: 'string', default: '' },
    'password-file': { type: 'string', default: '' },
    'issuer-seed-file': { type: 'string', default: '' },
    'xkey-seed-file': { type: 'string', default: '' },
    'oidc-issuer': { type: 'string' },
  },
})
const read = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim()
const signers = serverConfigurationSigners([createSigningKey(await read(values['issuer-seed-file']), 'issuer')])
const decode = createRequestDecoder({
  signers,
  xkeys: [createXKey(await read(values['xkey-seed-file']), 'xkey')],
  clock,
})
const encode = createResponseEncoder(signers, clock)
const userJwts = createUserJwtIssuer(signers)
const connection = await connect({
  servers: values.nats,
  user: 'auth',
  pass: await read(values['password-file']),
  tls: null,
})
let decisions = 0
connection.subscribe(CALLOUT_SUBJECT, {
  queue: 'callout',
  callback: (error, message) => {
    if (error !== null) throw error
    void answer(message)
  },
})
await connection.flush()
process.stdout.write('ready\n')

async function answer(message: Msg): Promise<void> {
  const decoded = await decode(message.data, message.headers?.get('Nats-Server-Xkey'))
  if ('aborted' in decoded) return
  const allow = await userJwts.issue(
    {
      id: `decision-${(decisions += 1)}`,
      decidedAtMs: clock.nowMs(),
      outcome: 'allow',
      account: 'APP',
      permissions: {
        publish: { allow: ['events.bench.>'], deny: [] },
        subscribe: { allow: ['_INBOX.bench.>', 'requests.bench.* workers'], deny: [] },
      },
      expiresAt: Math.floor(clock.nowMs() / 1000) + 3600,
      grantIds: [],
      skippedGrants: [],
    },
    decoded.request,
    'client:local:bench',
  )
  const plain = await encode(decoded.request, { allow })
  message.respond(decoded.seal?.(plain) ?? plain)
}
