import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { privateDirectory } from '../../src/dev/child-process.ts'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { judged } from '../support/clients.ts'
import { createSigner, signToken } from '../support/oidc.ts'
import { inMs } from '../support/spanner.ts'
import { adding } from '../../src/service/policy-edit.ts'

const ISSUER = 'https://delegating.example'
const FORMER = { sub: 'planner', iss: 'https://agents.example' }
const signer = createSigner('ES256')

let stack: LocalStack

/** An issuer whose tokens say who acts for the subject, of which one agent has no business here. */
before(async () => {
  const { path: directory } = privateDirectory('callout-delegation')
  const jwks = path.join(directory, 'jwks.json')
  await writeFile(jwks, JSON.stringify({ keys: [signer.publicJwk] }))
  const issuer = `  - id: delegating
    issuer: ${ISSUER}
    keys: { jwks_file: '${jwks}' }
    algorithms: [ES256]
    audiences: [nats]
    match: [{ path: [act, sub], none_of: [stranger] }]
    identity: { display: { path: [name] } }`
  stack = await startLocalStack({ editConfig: (yaml) => yaml.replace('issuers:\n', `issuers:\n${issuer}\n`) })
  await stack.admin.edit(
    adding(
      'grant',
      ...['user:delegating:alice', 'client:delegating:agent-7', 'user:delegating:agent-7'].map((principal) => ({
        id: principal.replaceAll(':', '-'),
        principal,
        account: 'APP',
        effect: 'allow' as const,
        action: 'publish' as const,
        subject: principal.endsWith('alice') ? 'alice.>' : 'agent.>',
        reason: 'a test',
        createdBy: 'a test',
      })),
    ),
  )
})
after(() => stack?.[Symbol.asyncDispose]())

function tokenWith(act: object): string {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: ISSUER, aud: 'nats', sub: 'alice', name: 'Alice Example', iat: now, exp: now + 300, act }
  return signToken(signer, claims)
}

/** What became of a client with this chain of actors, and what its row says of it. */
async function attempt(name: string, act: object): Promise<Record<string, unknown>> {
  await judged(stack, { name, token: tokenWith(act) })
  const [row, ...others] = await stack.database.query(
    `SELECT Outcome, Reason, Principal, DisplayName, TO_JSON_STRING(Actors), TO_JSON_STRING(Permissions.publish.allow)
     FROM Decisions WHERE ClientName = '${name}'`,
    {},
    inMs(5000),
  )
  assert.equal(others.length, 0)
  const [outcome, reason, principal, displayName, actors, publish] = row?.map((cell) => cell.stringValue) ?? []
  return { outcome, reason, principal, displayName, actors: parse(actors), publish: parse(publish) }
}

function parse(json: string | null | undefined): unknown {
  return JSON.parse(json ?? 'null')
}

suite('a client that acts for a user', () => {
  test('gets what the user may and nothing of its own, and the row names the whole chain', async () => {
    const { reason: _none, ...row } = await attempt('delegated', { sub: 'agent-7', client_id: 'app', act: FORMER })
    assert.deepEqual(row, {
      outcome: 'ALLOW',
      principal: 'user:delegating:alice',
      displayName: 'Alice Example',
      actors: [{ sub: 'agent-7', client_id: 'app' }, FORMER],
      publish: ['alice.>'],
    })
  })

  test('is refused when a rule of the issuer entry does not want it, before anybody is identified', async () => {
    const { outcome, reason, actors } = await attempt('unwanted', { sub: 'stranger' })
    assert.deepEqual([outcome, reason, actors], ['DENY', 'claim_mismatch', null])
  })

  test('is refused when a lock names it, and the row says for whom it acted', async () => {
    await stack.admin.edit(
      adding('lock', {
        id: 'agent-8-stolen',
        target: 'client:delegating:agent-8',
        reason: 'a test',
        createdBy: 'a test',
      }),
    )
    assert.deepEqual(await attempt('locked', { sub: 'agent-8' }), {
      outcome: 'DENY',
      reason: 'locked',
      principal: 'user:delegating:alice',
      displayName: 'Alice Example',
      actors: [{ sub: 'agent-8' }],
      publish: null,
    })
  })
})
