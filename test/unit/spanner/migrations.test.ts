import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CHECKSUM_OF_NOTHING, type RecordedMigration } from '../../../src/spanner/migration-ledger.ts'
import { migrationChecksum, unrepeatableStep } from '../../../src/spanner/migration.ts'
import type { Migration } from '../../../src/spanner/migration.ts'
import { compareSchema, MIGRATIONS, schemaProblem } from '../../../src/spanner/migrations.ts'

const KNOWN: readonly Migration[] = [1, 2].map((version) => ({
  version,
  name: `m${version}`,
  statements: [`S${version}`],
}))

function recorded(version: number, change: Partial<RecordedMigration> = {}): RecordedMigration {
  const known = KNOWN.find((migration) => migration.version === version)
  const checksum = known === undefined ? 'x' : migrationChecksum(known)
  return { version, name: `m${version}`, checksum, state: 'applied', appliedBy: 'ann', ...change }
}

test('migrations are numbered from 1 without a gap', () => {
  assert.deepEqual(
    MIGRATIONS.map(({ version }) => version),
    MIGRATIONS.map((_, index) => index + 1),
  )
})

test('a migration that databases may have applied is not changed; a change of the schema is a new one', () => {
  const applied = {
    policy: '492fb93ef68c6ab432d3c474006548c885cb9de1dc0fa1f62735824d61498a4e',
    decisions: '0c26fd475edff85516c72da78d1c6b0639ac8fa550200bdda2dfe2f2af2c7ecc',
    delegation: 'e154f59e832818ba428ab5770320c4da333e56c89ccb28f9fd549841283fd44c',
    conditions: '79bf0e867c79f1690b952efe5c1253ce0607db6ca76523547dc92d8b4d631984',
    model: '2e3d9574966231b4d0a25c6b8c02a6fe7596500301ff3fb99ff19d674559c282',
    history: '35a2b6a86327d133c400dcc744634812208813fd50d1abe0455d91202e2afaca',
    proposals: '3a7f572d1619b8bd93eacd7c4655539b2fe880154bd2147de7005179a12b7684',
    inputs: 'b47a71925fd296b56f51a714a9a3638ad3e278d22c39871c7d5c70e14b652a97',
    evidence: '528060c1f0084a433c15341f4791eede9f1a674db37d66741654bd02b55dbe54',
    roles: 'dd90cca3b8fb38f33a8fb48b6c4c2251fcef8b0500fb8269e8f289fa7231a30a',
    spooled: '1c2d34395c4523d60c684389bb5d8c46f6e85553a40b0c1bff002f854c51115d',
  }
  assert.deepEqual(Object.fromEntries(MIGRATIONS.map((known) => [known.name, migrationChecksum(known)])), applied)
})

test('every statement of a migration can be run again, or adds or drops something that can be looked for', () => {
  for (const statement of MIGRATIONS.flatMap(({ statements }) => statements)) {
    const isRepeatable = / IF (?:NOT )?EXISTS |^CREATE OR REPLACE VIEW |^GRANT /.test(statement)
    assert.ok(isRepeatable || unrepeatableStep(statement) !== undefined, statement)
  }
})

test('no migration adds again what an earlier one dropped', () => {
  const steps = MIGRATIONS.flatMap(({ statements }) => statements.flatMap((text) => unrepeatableStep(text) ?? []))
  const dropped = steps.filter(({ adds }) => !adds).map(({ name }) => name)
  assert.deepEqual(dropped, ['CK_Grants_Action', 'CK_Locks_Target', 'CK_Decisions_Complete'])
  assert.deepEqual(
    steps.filter(({ name, adds }) => adds && dropped.includes(name)),
    [],
  )
})

test('a migration that needs what a database lacks is recorded as skipped, and the schema is accepted without it', () => {
  const needy: readonly Migration[] = KNOWN.map((migration) =>
    migration.version === 2 ? { ...migration, needs: 'database roles' } : migration,
  )
  const skipped = [recorded(1), recorded(2, { checksum: CHECKSUM_OF_NOTHING })]
  const status = compareSchema(needy, skipped)
  assert.deepEqual(
    status.migrations.map(({ state }) => state),
    ['applied', 'skipped'],
  )
  assert.equal(status.version, 2)
  assert.equal(schemaProblem(status), undefined)
  assert.match(schemaProblem(compareSchema(KNOWN, skipped)) ?? 'accepted', /0002 m2 was applied with other statements/)
})

test('the checksum is that of the statements and nothing else', () => {
  const [one, two] = KNOWN.map(migrationChecksum)
  assert.notEqual(one, two)
  assert.equal(migrationChecksum({ statements: ['S1'] }), one)
})

test('a schema is accepted only when it is exactly the known one', () => {
  const cases: [readonly RecordedMigration[], number, RegExp | undefined][] = [
    [[], 0, /is at version 0, this release needs 2: run "callout schema apply"/],
    [[recorded(1)], 1, /is at version 1, this release needs 2/],
    [[recorded(2)], 0, /is at version 0, this release needs 2/],
    [[recorded(1), recorded(2)], 2, undefined],
    [[recorded(1), recorded(2, { state: 'applying' })], 1, /migration 0002 m2 of the schema is not finished/],
    [[recorded(1, { checksum: 'y' }), recorded(2)], 2, /migration 0001 m1 was applied with other statements/],
    [[recorded(1), recorded(2), recorded(3)], 3, /holds migration 0003 m3, which this release does not know/],
  ]
  for (const [records, version, problem] of cases) {
    const status = compareSchema(KNOWN, records)
    assert.equal(status.version, version)
    const text = schemaProblem(status)
    if (problem === undefined) assert.equal(text, undefined)
    else assert.match(text ?? 'accepted', problem)
    assert.ok(!text?.includes('\n'))
  }
})
