import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { startLocalStack, type LocalStack } from '../../src/dev/stack.ts'
import { forgeSignature } from '../../src/dev/forged-token.ts'
import { adding } from '../../src/service/policy-edit.ts'
import { tryConnect } from '../support/clients.ts'
import { inMs, openDatabase } from '../support/spanner.ts'
import type { TestDatabase } from '../support/spanner.ts'
import { callout, type CommandResult } from '../unit/cli/recorded-io.ts'

let stack: LocalStack
let connection: TestDatabase

before(async () => {
  stack = await startLocalStack({ provider: { people: { alice: ['team'], bob: [] } } })
  connection = openDatabase(stack.emulator.host, stack.database.name)
  const row = { account: 'APP', effect: 'allow', action: 'publish', reason: 'a test', createdBy: 'a test' } as const
  await stack.admin.edit(
    adding(
      'grant',
      { ...row, id: 'team-grant', principal: 'group:local:team', subject: 'team.{{subject}}.>' },
      { ...row, id: 'reader-grant', principal: 'role:reader', action: 'subscribe', subject: 'news.*' },
    ),
  )
  await stack.admin.edit(
    adding('binding', { member: 'user:local:alice', role: 'role:reader', reason: 'a test', createdBy: 'a test' }),
  )
})
after(async () => {
  await connection?.[Symbol.asyncDispose]()
  await stack?.[Symbol.asyncDispose]()
})

function explain(...argv: string[]): Promise<CommandResult> {
  return callout(['explain', ...argv, '--output', 'json'], {
    CALLOUT_CONFIG: stack.configFile,
    SPANNER_EMULATOR_HOST: stack.emulator.host,
  })
}

/** Connects, and returns the id and the permissions that the audit has of the decision. */
async function decisionOn(token: string, name: string): Promise<{ id: string; permissions: unknown }> {
  const client = await tryConnect(stack, { token, name })
  await client?.close()
  const sql = `SELECT DecisionId, TO_JSON_STRING(Permissions) FROM Decisions WHERE ClientName = '${name}'`
  const [row] = await connection.database.query(sql, {}, inMs(5000))
  const [id, permissions] = (row ?? []).map((cell) => cell.stringValue ?? 'null')
  return { id: id ?? assert.fail(`no decision on ${name}`), permissions: JSON.parse(permissions ?? 'null') }
}

async function tokenFile(token: string, name: string): Promise<string> {
  const file = path.join(stack.directory, name)
  await writeFile(file, token, { mode: 0o600 })
  return file
}

suite('explain says of a real service', () => {
  test('what it signs for a token before its client connects, and why', async () => {
    const token = await stack.provider.deviceLogin('alice')
    const { exitCode, stdout, stderr } = await explain('--token-file', await tokenFile(token, 'alice.jwt'))
    assert.deepEqual([exitCode, stderr], [0, ''])
    assert.ok(!token.split('.').some((part) => stdout.includes(part)))
    const { permissions, grants } = JSON.parse(stdout) as { permissions: unknown; grants: { grant: { id: string } }[] }
    assert.deepEqual(grants.map(({ grant }) => grant.id).sort(), ['reader-grant', 'team-grant'])
    assert.deepEqual(permissions, (await decisionOn(token, 'before')).permissions)
  })

  test('that a recorded admission is what is decided again', async () => {
    const { id } = await decisionOn(await stack.provider.deviceLogin('alice'), 'admitted')
    const { exitCode, stdout, stderr } = await explain('--decision', id)
    assert.deepEqual([exitCode, stderr], [0, ''], stdout)
  })

  test('that a recorded refusal is what is decided again', async () => {
    const { id } = await decisionOn(await stack.provider.deviceLogin('bob'), 'refused')
    const { exitCode, stdout } = await explain('--decision', id)
    const { isSame, again } = JSON.parse(stdout) as { isSame: boolean; again: { reason: string } }
    assert.deepEqual([exitCode, isSame, again.reason], [0, true, 'no_grants'])
  })

  test('that a token that is refused tells nothing of grants, and why', async () => {
    const token = await forgeSignature(await stack.provider.deviceLogin('alice'))
    const refused = await explain('--token-file', await tokenFile(token, 'forged.jwt'))
    assert.equal(refused.exitCode, 1)
    assert.equal((JSON.parse(refused.stdout) as { reason: string }).reason, 'signature_invalid')
    assert.ok(!token.split('.').some((part) => refused.stdout.includes(part)))
    const { id } = await decisionOn(token, 'forged')
    const { exitCode, stdout } = await explain('--decision', id)
    assert.equal(exitCode, 1)
    assert.equal((JSON.parse(stdout) as { nothingToRunAgain: string }).nothingToRunAgain, 'token_not_accepted')
  })
})
