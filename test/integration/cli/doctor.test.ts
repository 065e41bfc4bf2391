import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { CHECKS } from '../../../src/cli/doctor/checks.ts'
import { exposeSecret, prepareGround, startStand, type StandGround } from '../../support/doctor-stand.ts'

let ground: StandGround
before(async () => {
  ground = await prepareGround()
})
after(() => ground?.[Symbol.asyncDispose]())

suite('doctor, at a deployment that is well,', () => {
  test('finds every check well and exits with 0', async () => {
    await using stand = await startStand(ground)
    const { exitCode, stdout, stderr } = await stand.doctor()
    assert.equal(stderr, '')
    assert.doesNotMatch(stdout, /^(?:warn|FAIL|skipped(?! +store\.plans ))/m, stdout)
    for (const { id } of CHECKS.filter(({ id }) => id !== 'store.plans'))
      assert.match(stdout, new RegExp(`^ok +${id} `, 'm'))
    assert.match(stdout, /^skipped +store\.plans +plans cannot be looked at: the emulator makes none$/m)
    assert.equal(exitCode, 0)
  })

  test('is content with a user of the system account that may do what the README says, and no more', async () => {
    const readme = await readFile(path.resolve(import.meta.dirname, '../../../README.md'), 'utf8')
    const permissions = /(permissions \{\s+publish: \["\$SYS\.REQ\.SERVER\.PING[^}]*\})/.exec(readme)?.[1] ?? ''
    assert.match(permissions, /publish.*subscribe/s)
    await using stand = await startStand(ground, {
      editServer: (conf) => conf.replace('{ user: sys,', `{ user: sys, ${permissions},`),
    })
    assert.deepEqual((await stand.troubles()).found, [])
  })

  test('does not look at the plans of the audit as a database role, which may not read all of it', async () => {
    const asRole = (yaml: string): string => yaml.replace(/^store: \{ /m, 'store: { role: callout_service, ')
    await using stand = await startStand(ground, { editConfig: asRole })
    const { stdout } = await stand.doctor()
    assert.match(stdout, /^skipped +store\.plans +plans cannot be looked at as a database role/m)
    assert.match(stdout, /^ok +store\.latency /m)
  })

  test('shows no secret, as a table or as JSON', async () => {
    await using stand = await startStand(ground)
    const files = ['issuer.nk', 'xkey.nk', 'auth.password', 'sys.password']
    const secrets = await Promise.all(
      files.map((name) => readFile(path.join(path.dirname(stand.configFile), 'secrets', name), 'utf8')),
    )
    const text = (await stand.doctor()).stdout + (await stand.doctor('--output', 'json')).stdout
    for (const secret of secrets) assert.ok(!text.includes(secret.trim()))
  })

  test('says which checks it cannot make without nats.system, and what to configure', async () => {
    await using stand = await startStand(ground, { editConfig: (yaml) => yaml.replace(/^ +system: .*\n/m, '') })
    const { exitCode, found, text } = await stand.troubles()
    const needing = CHECKS.filter(({ needsSystem }) => needsSystem === true).map(({ id }) => `skipped ${id}`)
    assert.deepEqual(found, needing)
    assert.match(text, /nats\.system is not configured/)
    assert.equal(exitCode, 0)
  })

  test('warns of a secret that everybody may read, and fails on that only with --strict', async () => {
    await using stand = await startStand(ground)
    await exposeSecret(stand, 'xkey.nk')
    assert.deepEqual((await stand.troubles()).found, ['warn config.files'])
    assert.equal((await stand.troubles()).exitCode, 0)
    assert.equal((await stand.troubles('--strict')).exitCode, 1)
  })

  test('knocks twice for each member', async () => {
    await using stand = await startStand(ground, { members: 1 })
    await stand.doctor()
    assert.deepEqual(
      stand.members.map(({ requests }) => requests.length),
      [2],
    )
  })
})
