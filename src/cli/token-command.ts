import { open } from 'node:fs/promises'
import { systemClock as clock } from '../service/clock.ts'
import { lockTargets } from '../core/locks.ts'
import { grantedPrincipals, principalOf } from '../core/principal.ts'
import type { Identity, TokenFacts } from '../core/identity.ts'
import type { Verification } from '../service/ports.ts'
import { createTokenVerifier } from '../oidc/token-verifier.ts'
import { loadConfig } from './configuration.ts'
import { CommandFailure, EXIT, type CliIo } from './io.ts'
import { writeOutput, type OutputFormat } from './output.ts'
import { visible } from './visible.ts'

/** A person waits; an issuer that takes longer than this is not there for nats-server either. */
const ISSUER_WITHIN_MS = 10_000
/** Far above `token.max_bytes`, so that a token that is too long is refused by the verifier, with its reason. */
const INPUT_BYTES_MAX = 256 * 1024

export interface ExplainOptions {
  /** A file, or `-` for standard input. */
  readonly tokenFile: string
  /** Thumbprint of the client certificate to assume, for tokens that are bound to one. */
  readonly certificateSha256?: string
  readonly output: OutputFormat
}

interface Step {
  readonly check: string
  readonly passed: boolean
  readonly detail: string
}

/**
 * `callout token explain`: verifies a token with the live configuration, without nats-server and without a row in the
 * audit, and says step by step what was checked and what it stands for. Never shows the token. Returns 0 when it is
 * accepted, 1 when it is refused, 5 when the issuer could not be asked.
 */
export async function explainToken(configFile: string, options: ExplainOptions, io: CliIo): Promise<number> {
  const config = await loadConfig(configFile)
  const token = await readToken(options.tokenFile, io)
  const steps: Step[] = []
  await using verifier = createTokenVerifier({
    issuers: config.issuers,
    clock,
    events: { keySetRefreshed() {}, introspected() {} },
    maxTokenBytes: config.token.maxBytes,
    passed: (check, detail) => void steps.push({ check, passed: true, detail }),
  })
  const { certificateSha256 } = options
  const connection = certificateSha256 === undefined ? {} : { certificateSha256 }
  const verification = await verifier.verify(token, clock.monotonicMs() + ISSUER_WITHIN_MS, connection)
  if (!verification.accepted) steps.push({ check: verification.reason, passed: false, detail: verification.detail })
  writeOutput(io, options.output, {
    columns: [
      { heading: 'CHECK', cell: ({ check }) => check },
      { heading: 'PASSED', cell: ({ passed }) => String(passed) },
      { heading: 'DETAIL', cell: ({ detail }) => detail },
    ],
    records: steps,
    document: { ...answer(verification), steps },
    text: textOf(steps, verification),
  })
  return exitCode(verification)
}

async function readToken(file: string, io: CliIo): Promise<string> {
  const bytes = file === '-' ? await readInput(io) : await readFileBounded(file)
  if (bytes.length > INPUT_BYTES_MAX) throw new CommandFailure(EXIT.usage, [`${file}: longer than any token`])
  return bytes.toString('utf8').replace(/\r?\n$/, '')
}

async function readInput({ stdin }: CliIo): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stdin ?? []) {
    chunks.push(chunk)
    size += chunk.byteLength
    if (size > INPUT_BYTES_MAX) break
  }
  return Buffer.concat(chunks)
}

async function readFileBounded(name: string): Promise<Buffer> {
  try {
    await using file = await open(name)
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(INPUT_BYTES_MAX + 1) })
    return buffer.subarray(0, bytesRead)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new CommandFailure(EXIT.usage, [`cannot read ${name} (${code})`], { cause: error })
  }
}

function answer(verification: Verification): object {
  const token: TokenFacts = verification.accepted ? verification.identity.token : verification.token
  if (!verification.accepted) {
    const { reason, detail, issuerId } = verification
    return { accepted: false, reason, detail, issuerId, token }
  }
  const { identity } = verification
  return { accepted: true, principal: principalOf(identity), ...principals(identity), identity, token }
}

function principals(identity: Identity): { grantsOf: string[]; locksOf: string[] } {
  return { grantsOf: grantedPrincipals(identity), locksOf: lockTargets(identity) }
}

function textOf(steps: readonly Step[], verification: Verification): string {
  const width = Math.max(...steps.map(({ check }) => check.length))
  const lines = steps.map(
    ({ check, passed, detail }) => `${passed ? 'ok  ' : 'FAIL'}  ${check.padEnd(width)}  ${visible(detail)}`,
  )
  if (!verification.accepted) return [...lines, '', `refused: ${verification.reason}`, ''].join('\n')
  const { grantsOf, locksOf } = principals(verification.identity)
  const locksBeside = locksOf.filter((target) => !grantsOf.includes(target))
  return [
    ...lines,
    '',
    `accepted as ${visible(principalOf(verification.identity))}`,
    `grants of: ${grantsOf.map(visible).join(', ')}, and the roles that these are bound to`,
    `locks of: the same${locksBeside.map((target) => `, ${visible(target)}`).join('')}, its address and its account`,
    '',
  ].join('\n')
}

function exitCode(verification: Verification): number {
  if (verification.accepted) return EXIT.ok
  return verification.reason === 'issuer_unavailable' ? EXIT.unavailable : EXIT.failure
}
