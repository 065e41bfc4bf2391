import { createReadStream } from 'node:fs'
import { basename, dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { isDecisionId } from '../core/decision-id.ts'
import { FINDINGS, type Finding, type WitnessedCheckpoint } from '../core/verify-chain.ts'
import { openCheckpoint } from '../evidence/checkpoint-note.ts'
import { generateSignerKey, isNoteKeyName, parseSignerKey, parseVerifierKey } from '../evidence/note-key.ts'
import type { VerifierKey } from '../evidence/note-key.ts'
import { readSecretFile } from '../config/secret-file.ts'
import { verifyAudit, type Verdict } from '../service/audit-evidence.ts'
import { proveDecision } from '../service/audit-proof.ts'
import { systemClock as clock } from '../service/clock.ts'
import { createEvidenceReader } from '../spanner/evidence-reader.ts'
import { sha256 } from '../spanner/sha256.ts'
import { recordRead, type ReaderOptions } from './audit-access.ts'
import { formatInstant, parsePast } from './instant.ts'
import { CommandFailure, EXIT, usageFailure, warn, type CliIo } from './io.ts'
import { writeOutput, type Column, type OutputFormat } from './output.ts'
import { reportProgress } from './progress.ts'
import { writeSecretFiles } from './secret-files.ts'
import { openKnownStore, type Store } from './store.ts'

/** What scripts and alarms look for; 2 is also that of wrong usage, which is no less a reason to look. */
const EXIT_TAMPERED = 2
const LINE_CHARACTERS_MAX = 2 * 1024 * 1024

export interface AuditKeyOptions {
  readonly name: string
  readonly out: string
  readonly force?: boolean
}

/** `callout audit key`: a new key for `audit.checkpoints.key_file`; what checks its signatures goes to standard output. */
export async function makeAuditKey({ name, out, force = false }: AuditKeyOptions, io: CliIo): Promise<number> {
  if (!isNoteKeyName(name)) {
    throw usageFailure('--name must be letters, digits and "._/-", at most 128, such as callout.example/audit')
  }
  const key = generateSignerKey(name)
  await writeSecretFiles({ dir: dirname(out), force }, { [basename(out)]: key }, io)
  io.stderr.write(`callout: wrote ${out}; give the line below to whoever verifies the audit\n`)
  io.stdout.write(`${parseSignerKey(key)?.verifier.text ?? ''}\n`)
  return EXIT.ok
}

export interface KeyChoice {
  /** In place of the one that belongs to `audit.checkpoints.key_file`; several where the key was changed. */
  readonly verifierKey?: readonly string[]
}

export interface VerifyOptions extends KeyChoice, ReaderOptions {
  readonly from: string
  readonly to?: string
  readonly checkpoints?: string
  readonly output: OutputFormat
}

/** `callout audit verify`: 0 when nothing was changed, 2 when something was. */
export async function verify(configFile: string, options: VerifyOptions, io: CliIo): Promise<number> {
  const nowMs = clock.nowMs()
  const fromMs = parsePast(options.from, '--from', nowMs)
  const toMs = options.to === undefined ? nowMs : parsePast(options.to, '--to', nowMs)
  if (fromMs >= toMs) throw usageFailure('--from must be earlier than --to')
  const copies = options.checkpoints === undefined ? [] : await notesIn(options.checkpoints, io)
  await using store = await openKnownStore(configFile, io)
  const keys = await verifierKeys(store, options)
  if (keys.length === 0) {
    if (copies.length > 0) throw usageFailure('--checkpoints needs --verifier-key, or audit.checkpoints.key_file')
    warn(io, 'audit.checkpoints is not set: only the chains are checked, which whoever can write rows can make anew')
  }
  await recordRead(store, options, 'audit verify', { from: formatInstant(fromMs), to: formatInstant(toMs) })
  const verdict = await verifyAudit({
    reader: createEvidenceReader(store.database, clock),
    sha256,
    ...(keys.length > 0 && { open: (note: string) => openWithAny(note, keys) }),
    copies,
    window: { fromMs, toMs, nowMs },
    progress: reportProgress(io, clock, 'rows verified'),
  })
  writeOutput(io, options.output, { columns: FINDING_COLUMNS, records: verdict.findings, document: verdict })
  writeSummary(io, verdict, fromMs, toMs)
  return verdict.findings.length === 0 ? EXIT.ok : EXIT_TAMPERED
}

const FINDING_COLUMNS: readonly Column<Finding>[] = [
  { heading: 'FINDING', cell: ({ kind }) => kind },
  { heading: 'CHAIN', cell: ({ chainId }) => chainId ?? '' },
  { heading: 'PLACE', cell: ({ from, to }) => (from === to ? String(from ?? '') : `${from}-${to}`) },
  { heading: 'DECISION', cell: ({ decisionId }) => decisionId ?? '' },
  { heading: 'MEANING', cell: ({ kind }) => FINDINGS[kind] },
]

function writeSummary(io: CliIo, verdict: Verdict, fromMs: number, toMs: number): void {
  const { rows, chains, checkpoints, older, uncovered, findings } = verdict
  const span = `${formatInstant(fromMs)} to ${formatInstant(toMs)}`
  io.stderr.write(`callout: ${span}: ${rows} rows in ${chains} chains, ${checkpoints} checkpoints\n`)
  if (older > 0) io.stderr.write(`callout: ${older} rows are older than the chains and cannot be verified\n`)
  if (uncovered > 0) {
    io.stderr.write(
      `callout: ${uncovered} rows come after the last checkpoint of their chain: too young, or their writer was killed\n`,
    )
  }
  io.stderr.write(`callout: ${findings.length === 0 ? 'nothing was changed' : `${findings.length} findings`}\n`)
}

/** `callout audit prove`: the decision, and what leads from it to a signature. */
export async function prove(
  configFile: string,
  decisionId: string,
  options: KeyChoice & ReaderOptions,
  io: CliIo,
): Promise<number> {
  if (!isDecisionId(decisionId)) throw usageFailure('the id of a decision is a UUID, as a refusal tells it')
  await using store = await openKnownStore(configFile, io)
  const keys = await verifierKeys(store, options)
  if (keys.length === 0) throw usageFailure('a proof needs --verifier-key, or audit.checkpoints.key_file')
  await recordRead(store, options, 'audit prove', { id: decisionId })
  const proof = await proveDecision({
    reader: createEvidenceReader(store.database, clock),
    sha256,
    open: (note) => openWithAny(note, keys),
    decisionId,
  })
  if ('problem' in proof) throw new CommandFailure(EXIT.conflict, [proof.problem])
  const key = keys.find((candidate) => openCheckpoint(proof.checkpoint, candidate) !== undefined)
  writeOutput(io, 'json', { columns: [], records: [], document: { ...proof, verifierKey: key?.text } })
  return EXIT.ok
}

function openWithAny(note: string, keys: readonly VerifierKey[]): WitnessedCheckpoint | undefined {
  for (const key of keys) {
    const opened = openCheckpoint(note, key)
    if (opened !== undefined) return opened
  }
  return undefined
}

async function verifierKeys({ config }: Store, { verifierKey: texts }: KeyChoice): Promise<readonly VerifierKey[]> {
  if (texts !== undefined) {
    return texts.map((text) => {
      const key = parseVerifierKey(text)
      if (key === undefined) throw usageFailure('--verifier-key is not what "callout audit key" printed')
      return key
    })
  }
  const { checkpoints } = config.audit
  if (checkpoints === undefined) return []
  const file = await readSecretFile(checkpoints.keyFile)
  const key = 'text' in file ? parseSignerKey(file.text)?.verifier : undefined
  if (key !== undefined) return [key]
  const problem = 'problem' in file ? file.problem : `holds no key: ${checkpoints.keyFile}`
  throw usageFailure(`audit.checkpoints.key_file ${problem}; --verifier-key takes its place`)
}

/**
 * Every `note` in a file of JSON lines: the file of `audit.checkpoints.file`, or a log. Other lines are passed over; those that
 * hold a note and cannot be read are counted in a warning.
 */
async function notesIn(file: string, io: CliIo): Promise<string[]> {
  const notes: string[] = []
  let broken = 0
  try {
    const lines = createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Infinity })
    for await (const line of lines) {
      if (!line.includes('"note"')) continue
      const note = line.length > LINE_CHARACTERS_MAX ? undefined : noteIn(line)
      if (note === undefined) broken += 1
      else notes.push(note)
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new CommandFailure(EXIT.usage, [`cannot read ${file} (${code})`], { cause: error })
  }
  if (notes.length === 0) throw usageFailure(`${file} holds no checkpoint`)
  if (broken > 0) warn(io, `${file}: ${broken} lines with a checkpoint cannot be read: written in part, or changed`)
  return notes
}

function noteIn(line: string): string | undefined {
  try {
    const entry = JSON.parse(line) as unknown
    const note = typeof entry === 'object' && entry !== null && 'note' in entry ? entry.note : undefined
    return typeof note === 'string' ? note : undefined
  } catch {
    return undefined
  }
}
