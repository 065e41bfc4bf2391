import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { adding } from '../../src/service/policy-edit.ts'
import { tryConnect } from '../support/clients.ts'
import { callout } from '../unit/cli/recorded-io.ts'

interface ShownSession {
  readonly effect: string
  readonly reason?: string
  readonly principal: string
  readonly lost: readonly string[]
  readonly gained: readonly string[]
}

suite('a plan', () => {
  let stack: LocalStack

  before(async () => {
    stack = await startLocalStack({ provider: { people: { alice: ['team'], bob: ['team'], carol: [] } } })
    const row = { account: 'APP', effect: 'allow', action: 'publish', reason: 'a test', createdBy: 'a test' } as const
    await stack.admin.edit(
      adding(
        'grant',
        { ...row, id: 'team-grant', principal: 'group:local:team', subject: 'team.>', scope: 'demo', name: 'team' },
        { ...row, id: 'alice-grant', principal: 'user:local:alice', subject: 'alice.>', scope: 'demo', name: 'alice' },
        { ...row, id: 'carol-grant', principal: 'user:local:carol', subject: 'carol.>' },
      ),
    )
  })
  after(() => stack[Symbol.asyncDispose]())

  const document = (subject: string): string => `apiVersion: callout.nats/v1
kind: Grant
metadata: { name: alice, id: alice-grant }
spec: { principals: ['user:local:alice'], account: APP, publish: { allow: [${subject}] } }
`

  async function plan(yaml: string): Promise<{ exitCode: number; affected: ShownSession[] }> {
    const file = path.join(stack.directory, 'grants.yaml')
    await writeFile(file, yaml)
    const env = { CALLOUT_CONFIG: stack.configFile, SPANNER_EMULATOR_HOST: stack.emulator.host }
    const argv = ['grants', 'plan', file, '--scope', 'demo', '--prune', '--output', 'json']
    const { exitCode, stdout, stderr } = await callout(argv, env)
    assert.equal(stderr, '')
    const { sessions } = JSON.parse(stdout) as { sessions?: { affected: ShownSession[] } }
    return { exitCode, affected: sessions?.affected ?? [] }
  }

  test('names the live sessions that it would cut and narrow, and leaves out those that it does not touch', async () => {
    const connections = []
    for (const person of ['alice', 'bob', 'carol']) {
      connections.push(await tryConnect(stack, { token: await stack.provider.deviceLogin(person), name: person }))
    }
    assert.ok(connections.every((connection) => connection !== undefined))
    const { exitCode, affected } = await plan(document('alice.box'))
    for (const connection of connections) await connection.close()
    assert.equal(exitCode, 10)
    assert.deepEqual(
      affected
        .map(({ effect, reason, principal, lost, gained }) => ({ effect, reason, principal, lost, gained }))
        .sort((a, b) => (a.principal < b.principal ? -1 : 1)),
      [
        {
          effect: 'narrowed',
          reason: undefined,
          principal: 'user:local:alice',
          lost: ['publish alice.>', 'publish team.>'],
          gained: [],
        },
        { effect: 'cut', reason: 'no_grants', principal: 'user:local:bob', lost: [], gained: [] },
      ],
    )
  })
})
