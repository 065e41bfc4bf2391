import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { suite, test } from 'node:test'
import { seeksOf, VIEWS } from '../../support/index-proof.ts'
import { README, sqlOf } from '../../support/readme-tables.ts'

const [, section = ''] = /\n## The audit table\n([^]*?)\n## /.exec(await readFile(README, 'utf8')) ?? []
const statements = sqlOf(section)
/** Reads all grants, which the README says. */
const SCANNING = 'GrantUse'

suite('the section of README.md on the audit', () => {
  test('has a statement for each question', () => assert.ok(statements.length >= 11))

  for (const statement of statements.filter((statement) => !statement.includes(`FROM ${SCANNING}`))) {
    test(`shows a statement that reads by an index and within a time: ${firstLine(statement)}`, () => {
      const seeks = seeksOf(statement)
      for (const { table, fixed, ranged } of seeks)
        assert.ok(table === 'Decisions' || table === 'AuditReads' ? ranged !== undefined : fixed.length > 0, table)
    })
  }

  test('names every view, and those within a time read no more than that', () => {
    assert.deepEqual([...VIEWS.keys()].toSorted(), [
      'ActiveSessions',
      'GrantUse',
      'PrincipalDecisions',
      'RecentDenials',
    ])
    for (const view of VIEWS.keys()) assert.ok(section.includes(`\`${view}\``), view)
    for (const view of ['ActiveSessions', 'RecentDenials']) {
      const [seek] = seeksOf(
        (VIEWS.get(view) ?? '').replace('JOIN Decisions AS', 'JOIN Decisions@{FORCE_INDEX=_BASE_TABLE} AS'),
      )
      assert.deepEqual(seek, { table: 'Decisions', by: 'Decisions', fixed: ['Shard'], ranged: 'DecidedAt' })
    }
  })
})

function firstLine(statement: string): string {
  return statement.split('\n').find((line) => !line.startsWith('@')) ?? ''
}
