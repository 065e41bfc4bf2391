import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SEARCH_ORDERS, type DecisionFilter } from '../../../src/service/decision-search.ts'
import { AUDIT_STATEMENTS } from '../../../src/spanner/audit-statement-list.ts'
import { rangesOf } from '../../../src/spanner/audit-statements.ts'
import { KEYS, seeksOf } from '../../support/index-proof.ts'

const AT = { decidedAt: '2023-11-14T22:13:20.000000000Z', shard: 3, id: 'x' }

const FULL: Required<DecisionFilter> = {
  sinceMs: 0,
  untilMs: 1,
  principal: 'p',
  issuer: 'i',
  outcome: 'deny',
  reason: 'locked',
  account: 'a',
  subject: 's',
  grantId: 'g',
  address: 'h',
  serverName: 'n',
  tokenId: 't',
  committedAfter: AT.decidedAt,
  committedUntil: AT.decidedAt,
  committedWithinMs: 1,
  committedLaterThanMs: 1,
  spooled: false,
}
const SPOOLED = { spooled: true, committedAfter: AT.decidedAt }
const FIELDS = Object.keys(FULL) as (keyof DecisionFilter)[]

/** Of one field, of each two, and of all. */
const filters: DecisionFilter[] = [
  {},
  ...FIELDS.flatMap((a) => FIELDS.map((b) => ({ [a]: FULL[a], [b]: FULL[b] }))),
  FULL,
  { spooled: true },
  SPOOLED,
  { ...FULL, ...SPOOLED },
]

suite('a statement that reads the audit', () => {
  for (const { name, sql } of AUDIT_STATEMENTS) {
    test(`forces an index, fixes what leads its key and bounds what comes next: ${name}`, () => {
      for (const seek of seeksOf(sql)) {
        const isWhole = seek.table === 'GrantSetMembers'
        assert.ok(isWhole ? seek.fixed.length === 1 : seek.ranged !== undefined, JSON.stringify(seek))
      }
    })
  }

  test('is one of the list, whatever is asked for', () => {
    const froms = new Set(AUDIT_STATEMENTS.map(({ sql }) => seekText(sql)))
    for (const filter of filters)
      for (const order of SEARCH_ORDERS)
        for (const after of [undefined, AT])
          for (const range of rangesOf(filter, order)) {
            const { sql, parameters } = range(after, 10)
            assert.ok(froms.has(seekText(sql)), sql)
            const named = new Set([...sql.matchAll(/@([A-Za-z]+)\b/g)].map(([, name = '']) => name))
            assert.deepEqual(
              Object.keys(parameters).filter((name) => !named.has(name)),
              [],
              sql,
            )
          }
  })

  test('takes the index that finds least', () => {
    const by = (filter: DecisionFilter): string => {
      const ranges = rangesOf(filter, 'newest first')
      return `${ranges.length} ${seeksOf(ranges[0]?.(undefined, 1).sql ?? '')
        .map(({ by }) => by)
        .join(' ')}`
    }
    assert.equal(by(FULL), '1 DecisionsByToken')
    assert.equal(by({ principal: 'p', address: 'h' }), '1 DecisionsByPrincipal')
    assert.equal(by({ grantId: 'g', serverName: 'n' }), '1 GrantSetMembers DecisionsByGrantSet')
    assert.equal(by({ address: 'h', serverName: 'n' }), '1 DecisionsByAddress')
    assert.equal(by({ serverName: 'n', reason: 'locked' }), '1 DecisionsByServer')
    assert.equal(by({ reason: 'locked' }), '16 DecisionsDenied')
    assert.equal(by({ outcome: 'deny' }), '16 DecisionsDenied')
    assert.equal(by({ outcome: 'allow' }), '16 Decisions')
    assert.equal(by({ account: 'a' }), '16 Decisions')
    assert.equal(by({ ...FULL, ...SPOOLED }), '1 DecisionsSpooled')
    assert.equal(by({ spooled: true }), '16 Decisions')
    assert.equal(by({ ...SPOOLED, spooled: false }), '16 Decisions')
  })
})

suite('the proof', () => {
  const refused = {
    'that forces nothing': 'SELECT 1 FROM Decisions AS d WHERE d.Shard = 1',
    'that asks for nothing of the key':
      'SELECT 1 FROM Decisions@{FORCE_INDEX=DecisionsByToken} AS d WHERE d.Account = @a',
    'whose condition holds in part only':
      'SELECT 1 FROM Decisions@{FORCE_INDEX=DecisionsByToken} AS d WHERE (d.TokenId = @a OR d.Account = @a)',
    'that forces the index of another table': 'SELECT 1 FROM Decisions@{FORCE_INDEX=GrantsById} AS d WHERE d.Shard = 1',
    'that fixes the same column of another table':
      'SELECT 1 FROM Decisions@{FORCE_INDEX=DecisionsByToken} AS d JOIN Grants@{FORCE_INDEX=GrantsById} AS g ON g.GrantId = d.X WHERE g.TokenId = @a',
  }
  for (const [what, sql] of Object.entries(refused)) {
    test(`refuses a statement ${what}`, () => assert.throws(() => seeksOf(sql)))
  }

  test('knows the keys of the migrations', () => {
    assert.deepEqual(KEYS.get('Decisions')?.columns, ['Shard', 'DecidedAt', 'DecisionId'])
    assert.deepEqual(KEYS.get('DecisionsByServer')?.columns, ['ServerName', 'DecidedAt', 'Shard', 'DecisionId'])
    assert.equal(KEYS.has('DecisionsByConnection'), false)
  })

  test('sees a range behind what is fixed', () => {
    const sql = 'SELECT 1 FROM Decisions@{FORCE_INDEX=_BASE_TABLE} AS d WHERE d.Shard = 1 AND d.DecidedAt > @a'
    assert.deepEqual(seeksOf(sql), [{ table: 'Decisions', by: 'Decisions', fixed: ['Shard'], ranged: 'DecidedAt' }])
  })
})

/** How a statement finds its rows, without what else it asks of them. */
function seekText(sql: string): string {
  return JSON.stringify(seeksOf(sql))
}
