import assert from 'node:assert/strict'
import { createHash, createPublicKey, randomBytes, randomInt, verify as verifySignature } from 'node:crypto'
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createAuditChain } from '../../../src/core/audit-chain.ts'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import { decisionId } from '../../../src/core/decision-id.ts'
import { FINDINGS, type Finding } from '../../../src/core/verify-chain.ts'
import { openCheckpointFile } from '../../../src/evidence/checkpoint-file.ts'
import { createCheckpointSigner } from '../../../src/evidence/checkpoint-note.ts'
import { generateSignerKey, parseSignerKey } from '../../../src/evidence/note-key.ts'
import type { SpannerEmulator } from '../../../src/dev/spanner-emulator.ts'
import { Checkpointer } from '../../../src/service/checkpointer.ts'
import { systemClock as clock } from '../../../src/service/clock.ts'
import { createCheckpointStore } from '../../../src/spanner/checkpoint-store.ts'
import { createDecisionLog } from '../../../src/spanner/decision-log.ts'
import { decisionShard } from '../../../src/spanner/decision-row.ts'
import { deletion, insertion, replacement } from '../../../src/spanner/mutation.ts'
import {
  AUDIT_CHECKPOINTS,
  DECISIONS,
  SCHEMA_MIGRATIONS,
  STORED_DECISION_COLUMNS,
} from '../../../src/spanner/schema.ts'
import { sha256 } from '../../../src/spanner/sha256.ts'
import {
  COMMIT_TIMESTAMP,
  int64Value,
  NULL,
  stringValue,
  timestampValue,
  type Row,
  type Value,
} from '../../../src/spanner/values.ts'
import { aDeny, anAllow, anEntry } from '../../contract/stored-rows.ts'
import { RecordedEvents } from '../../support/recorded-events.ts'
import { createTestDatabase, inMs, startOwnEmulator } from '../../support/spanner.ts'
import type { TestDatabase } from '../../support/spanner.ts'
import { callout as runCallout, type CommandResult } from '../../unit/cli/recorded-io.ts'
import { configWith } from '../../unit/config/config-text.ts'

const ROWS = 40
const KEY = generateSignerKey('callout.example/audit')
const VERIFIER = parseSignerKey(KEY)?.verifier
const columnIndex = (name: (typeof STORED_DECISION_COLUMNS)[number]): number => STORED_DECISION_COLUMNS.indexOf(name)

let emulator: SpannerEmulator
let dir = ''
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'callout-evidence-'))
  emulator = await startOwnEmulator()
})
after(async () => {
  await emulator?.stop()
  await rm(dir, { recursive: true, force: true })
})

/** A database with what one service recorded in the last minutes and signed. */
class Audit implements AsyncDisposable {
  readonly connection: TestDatabase
  readonly config: string
  readonly copy: string

  private constructor(connection: TestDatabase, config: string, copy: string) {
    this.connection = connection
    this.config = config
    this.copy = copy
  }

  static async recorded(): Promise<Audit> {
    const connection = await createTestDatabase(emulator.host)
    const name = connection.name.split('/').at(-1) ?? ''
    const [config, copy, keyFile] = ['yaml', 'jsonl', 'key'].map((end) => join(dir, `${name}.${end}`)) as [
      string,
      string,
      string,
    ]
    await writeFile(keyFile, KEY, { mode: 0o600 })
    await writeFile(
      config,
      configWith({
        'store.url': `spanner://${connection.name}`,
        'audit.checkpoints': { key_file: keyFile, file: copy },
      }),
    )
    const audit = new Audit(connection, config, copy)
    await audit.record()
    return audit
  }

  /** Another run of the service. */
  async record(): Promise<void> {
    const { database } = this.connection
    const signer = parseSignerKey(KEY)
    assert.ok(signer)
    const chain = createAuditChain(aDecisionId(), sha256)
    const log = createDecisionLog({ database, chain, clock })
    await using _ = new Checkpointer({
      chain,
      sha256,
      sign: createCheckpointSigner(signer),
      store: createCheckpointStore(database, 'instance-1'),
      copy: await openCheckpointFile(this.copy),
      clock,
      events: new RecordedEvents(),
    })
    for (let count = 0; count < ROWS; count += 10) {
      const entries = Array.from({ length: 10 }, () => {
        const id = aDecisionId()
        const decidedAtMs = Number.parseInt(id.replace('-', '').slice(0, 12), 16)
        return anEntry(randomInt(3) === 0 ? aDeny({ id, decidedAtMs }) : anAllow({ id, decidedAtMs }))
      })
      await log.append(entries, inMs(10_000))
      // Long enough for the first checkpoint to be made in between.
      if (count === 10) await delay(700)
    }
  }

  callout(...argv: string[]): Promise<CommandResult> {
    return runCallout(argv, { CALLOUT_CONFIG: this.config, SPANNER_EMULATOR_HOST: emulator.host })
  }

  async findings(...argv: string[]): Promise<string[]> {
    const { exitCode, stdout, stderr } = await this.callout('audit', 'verify', '--output', 'json', ...argv)
    const { findings, rows } = JSON.parse(stdout) as { findings: Finding[]; rows: number }
    assert.equal(exitCode, findings.length === 0 ? 0 : 2, stderr)
    assert.ok(rows > 0 || findings.length > 0)
    return [...new Set(findings.map(({ kind }) => kind))].sort()
  }

  async rows(): Promise<Row[]> {
    const sql = `SELECT ${STORED_DECISION_COLUMNS.join(', ')} FROM ${DECISIONS} ORDER BY ChainId, ChainSeq`
    return [...(await this.connection.database.query(sql, {}, inMs(10_000)))]
  }

  async remove(row: Row): Promise<void> {
    await this.connection.database.commit([deletion(DECISIONS, keyOf(row))], { repeatable: true }, inMs(5000))
  }

  async insert(row: Row): Promise<void> {
    const columns = STORED_DECISION_COLUMNS.filter((name) => name !== 'CommittedAt')
    const cells = row.filter((_, index) => index !== columnIndex('CommittedAt'))
    const mutation = insertion(DECISIONS, [...columns, 'CommittedAt'], [[...cells, COMMIT_TIMESTAMP]])
    await this.connection.database.commit([mutation], { repeatable: true }, inMs(5000))
  }

  async change(row: Row, column: (typeof STORED_DECISION_COLUMNS)[number], value: Value): Promise<void> {
    const columns = ['Shard', 'DecidedAt', 'DecisionId', column]
    const mutation = replacement(DECISIONS, columns, [[...keyOf(row), value]])
    await this.connection.database.commit([mutation], { repeatable: true }, inMs(5000))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection[Symbol.asyncDispose]()
  }
}

function keyOf(row: Row): Value[] {
  return (['Shard', 'DecidedAt', 'DecisionId'] as const).map((name) => row[columnIndex(name)] ?? {})
}

function textOf(row: Row | undefined, column: (typeof STORED_DECISION_COLUMNS)[number]): string {
  return row?.[columnIndex(column)]?.stringValue ?? ''
}

function aDecisionId(): string {
  return decisionId(Date.now(), randomBytes(10))
}

suite('callout audit verify', () => {
  test('finds nothing where nobody changed anything, with and without the copies', async () => {
    await using audit = await Audit.recorded()
    await audit.record()
    assert.deepEqual(await audit.findings(), [])
    assert.deepEqual(await audit.findings('--checkpoints', audit.copy), [])
    assert.deepEqual(await audit.findings('--checkpoints', audit.copy, '--verifier-key', VERIFIER?.text ?? ''), [])
    const { stderr } = await audit.callout('audit', 'verify')
    assert.match(stderr, /80 rows in 2 chains, [4-9] checkpoints\ncallout: nothing was changed\n$/)
  })

  test('finds each kind of change of a single row, whichever row it is', async (t) => {
    const attacks: Readonly<Record<string, (audit: Audit, row: Row, other: Row) => Promise<void>>> = {
      'another address': (audit, row) => audit.change(row, 'ClientHost', stringValue('10.6.6.6')),
      'JSON that says something else': (audit, row) => audit.change(row, 'Attributes', stringValue('{"team":"red"}')),
      'a value where there was none': (audit, row) => audit.change(row, 'ClientName', stringValue('harmless')),
      'a time': (audit, row) => audit.change(row, 'TokenExpiresAt', timestampValue(0)),
      'its hash': (audit, row) => audit.change(row, 'RowHash', stringValue('0'.repeat(64))),
      'its place taken away': (audit, row) => audit.change(row, 'ChainId', { nullValue: 'NULL_VALUE' }),
      'the row is gone': (audit, row) => audit.remove(row),
      'the row twice': async (audit, row) => {
        const id = aDecisionId()
        const copy = [...row]
        copy[columnIndex('DecisionId')] = stringValue(id)
        copy[columnIndex('Shard')] = int64Value(decisionShard(id))
        await audit.insert(copy)
      },
      'two rows changed places': async (audit, row, other) => {
        await audit.change(row, 'ChainSeq', other[columnIndex('ChainSeq')] ?? {})
        await audit.change(other, 'ChainSeq', row[columnIndex('ChainSeq')] ?? {})
      },
    }
    for (const [what, attack] of Object.entries(attacks)) {
      await using audit = await Audit.recorded()
      const rows = await audit.rows()
      const at = randomInt(rows.length)
      t.diagnostic(`${what}: row ${at}`)
      const [row, other] = [rows[at], rows[(at + 1 + randomInt(rows.length - 1)) % rows.length]]
      assert.ok(row && other)
      await attack(audit, row, other)
      const found = await audit.findings()
      assert.ok(found.length > 0, what)
      for (const kind of found) assert.ok(kind in FINDINGS)
    }
  })

  test('finds that the end was cut off along with what was signed of it, by the copies alone', async () => {
    await using audit = await Audit.recorded()
    const rows = await audit.rows()
    for (const row of rows.slice(25)) await audit.remove(row)
    assert.deepEqual(await audit.findings(), ['rows_missing'])
    const chain = textOf(rows[0], 'ChainId')
    const key = [stringValue(chain), int64Value(ROWS)]
    await audit.connection.database.commit([deletion(AUDIT_CHECKPOINTS, key)], { repeatable: true }, inMs(5000))
    assert.deepEqual(await audit.findings(), [])
    assert.deepEqual(await audit.findings('--checkpoints', audit.copy), ['checkpoint_missing', 'rows_missing'])
  })

  test('finds a row in no chain, even where the database says that there were no chains yet', async () => {
    await using audit = await Audit.recorded()
    const [row] = await audit.rows()
    assert.ok(row)
    const id = aDecisionId()
    const unchained = row.map((cell, index) => (index < columnIndex('ChainId') ? cell : NULL))
    unchained[columnIndex('DecisionId')] = stringValue(id)
    unchained[columnIndex('Shard')] = int64Value(decisionShard(id))
    await audit.insert(unchained)
    const putOff = replacement(SCHEMA_MIGRATIONS, ['Version', 'AppliedAt'], [[int64Value(9), COMMIT_TIMESTAMP]])
    await audit.connection.database.commit([putOff], { repeatable: true }, inMs(5000))
    assert.deepEqual(await audit.findings(), ['row_unchained'])
  })

  test('finds that everything of a run was taken away', async () => {
    await using audit = await Audit.recorded()
    for (const row of await audit.rows()) await audit.remove(row)
    assert.deepEqual(await audit.findings(), ['rows_missing'])
  })

  test('says how many lines of a copy were not written whole, and takes the others', async () => {
    await using audit = await Audit.recorded()
    await appendFile(audit.copy, '{"note":"callout.example/audit/')
    await audit.record()
    const { exitCode, stderr } = await audit.callout('audit', 'verify', '--from', '-1h', '--checkpoints', audit.copy)
    assert.equal(exitCode, 0)
    assert.match(stderr, /: 1 lines with a checkpoint cannot be read: written in part, or changed\n/)
  })

  test('does not take the signature of another key', async () => {
    await using audit = await Audit.recorded()
    const other = parseSignerKey(generateSignerKey('callout.example/audit'))?.verifier.text ?? ''
    assert.deepEqual(await audit.findings('--verifier-key', other), ['checkpoint_invalid'])
    // The key was changed in between.
    assert.deepEqual(await audit.findings('--verifier-key', other, VERIFIER?.text ?? ''), [])
  })

  test('is wrong usage with a key or a file that is none, or a time that is none', async () => {
    await using audit = await Audit.recorded()
    for (const argv of [
      ['--verifier-key', 'x'],
      ['--checkpoints', join(dir, 'nothing')],
      ['--checkpoints', audit.config],
      ['--from', 'yesterday'],
      ['--from', '-1h', '--to', '-2h'],
    ]) {
      const { exitCode, stdout } = await audit.callout('audit', 'verify', ...argv)
      assert.deepEqual([exitCode, stdout], [2, ''], argv.join(' '))
    }
  })
})

suite('callout audit prove', () => {
  test('prints what a third party needs to check a decision, and nothing of another', async () => {
    await using audit = await Audit.recorded()
    const row = (await audit.rows())[randomInt(ROWS)]
    const id = textOf(row, 'DecisionId')
    const { stdout, stderr, exitCode } = await audit.callout('audit', 'prove', id)
    assert.equal(exitCode, 0, stderr)
    const proof = JSON.parse(stdout) as {
      decision: Record<string, unknown>
      link: { chainId: string; seq: number; previousHash: string; rowHash: string }
      following: string[]
      checkpoint: string
      verifierKey: string
    }
    // As the README describes it, with nothing of this project.
    const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
    let { seq, previousHash } = proof.link
    for (const content of [hash(canonicalJson(proof.decision)), ...proof.following]) {
      previousHash = hash(`${proof.link.chainId}\n${seq}\n${previousHash}\n${content}\n`)
      seq += 1
    }
    const [text = '', signatures = ''] = proof.checkpoint.split('\n\n')
    assert.equal(text.split('\n')[2], previousHash)
    const key = Buffer.from(proof.verifierKey.split('+').slice(2).join('+'), 'base64').subarray(1)
    const publicKey = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') },
      format: 'jwk',
    })
    const signature = Buffer.from(signatures.trim().split(' ')[2] ?? '', 'base64').subarray(4)
    assert.ok(verifySignature(null, Buffer.from(`${text}\n`), publicKey, signature))
    assert.equal(proof.decision['DecisionId'], id)
    assert.ok(proof.following.every((entry) => /^[0-9a-f]{64}$/.test(entry)))
  })

  test('says so when there is no such decision, or it was changed', async () => {
    await using audit = await Audit.recorded()
    const missing = await audit.callout('audit', 'prove', aDecisionId())
    assert.deepEqual([missing.exitCode, missing.stderr], [3, 'callout: there is no such decision\n'])
    const [row] = await audit.rows()
    assert.ok(row)
    await audit.change(row, 'ClientHost', stringValue('10.6.6.6'))
    const changed = await audit.callout('audit', 'prove', textOf(row, 'DecisionId'))
    assert.equal(changed.exitCode, 3)
    assert.match(changed.stderr, /the row was changed since it was written/)
    assert.equal((await audit.callout('audit', 'prove', "'; DROP TABLE Decisions")).exitCode, 2)
  })
})

test('callout audit key makes a key that the configuration takes, once, and prints what checks it', async () => {
  const out = join(dir, 'made', 'audit.key')
  const argv = ['audit', 'key', '--name', 'callout.example/audit', '--out', out]
  const { exitCode, stdout } = await runCallout(argv, {})
  assert.equal(exitCode, 0)
  const key = await readFile(out, 'utf8')
  assert.equal(parseSignerKey(key.trim())?.verifier.text, stdout.trim())
  assert.ok(!stdout.includes('PRIVATE'))
  assert.equal((await runCallout(argv, {})).exitCode, 3)
  assert.equal((await runCallout(['audit', 'key', '--name', 'a b', '--out', out], {})).exitCode, 2)
})
