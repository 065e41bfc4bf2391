import { open } from 'node:fs/promises'
import type { Config } from '../config/config.ts'
import { createTokenVerifier } from '../oidc/token-verifier.ts'
import { systemClock as clock } from '../service/clock.ts'
import type { Verification } from '../service/ports.ts'
import { CommandFailure, EXIT, type CliIo } from './io.ts'

/** A person waits; an issuer that takes longer than this is not there for nats-server either. */
const ISSUER_WITHIN_MS = 10_000
/** Far above `token.max_bytes`, so that a token that is too long is refused by the verifier, with its reason. */
const INPUT_BYTES_MAX = 256 * 1024

export interface TokenOptions {
  /** A file, or `-` for standard input. */
  readonly tokenFile: string
  /** Thumbprint of the client certificate to assume, for tokens that are bound to one. */
  readonly certificateSha256?: string
}

/** A check and what came of it; nothing in it shows the token. */
export interface VerificationStep {
  readonly check: string
  readonly passed: boolean
  readonly detail: string
}

/** Verifies a token as the service does, without nats-server and without a row in the audit. */
export async function verifyToken(
  config: Config,
  { tokenFile, certificateSha256 }: TokenOptions,
  io: CliIo,
): Promise<{ readonly verification: Verification; readonly steps: readonly VerificationStep[] }> {
  const token = await readToken(tokenFile, io)
  const steps: VerificationStep[] = []
  await using verifier = createTokenVerifier({
    issuers: config.issuers,
    clock,
    events: { keySetRefreshed() {}, introspected() {} },
    maxTokenBytes: config.token.maxBytes,
    passed: (check, detail) => void steps.push({ check, passed: true, detail }),
  })
  const connection = certificateSha256 === undefined ? {} : { certificateSha256 }
  const verification = await verifier.verify(token, clock.monotonicMs() + ISSUER_WITHIN_MS, connection)
  if (!verification.accepted) steps.push({ check: verification.reason, passed: false, detail: verification.detail })
  return { verification, steps }
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
