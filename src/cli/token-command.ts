import { lockTargets } from '../core/locks.ts'
import { grantedPrincipals, principalOf } from '../core/principal.ts'
import type { Identity, TokenFacts } from '../core/identity.ts'
import type { Verification } from '../service/ports.ts'
import { loadConfig } from './configuration.ts'
import { EXIT, type CliIo } from './io.ts'
import { writeOutput, type OutputFormat } from './output.ts'
import { verifyToken, type TokenOptions, type VerificationStep } from './token-verification.ts'
import { visible } from './visible.ts'

export interface ExplainTokenOptions extends TokenOptions {
  readonly output: OutputFormat
}

/**
 * `callout token explain`: verifies a token with the live configuration, without nats-server and without a row in the
 * audit, and says step by step what was checked and what it stands for. Never shows the token. Returns 0 when it is
 * accepted, 1 when it is refused, 5 when the issuer could not be asked.
 */
export async function explainToken(configFile: string, options: ExplainTokenOptions, io: CliIo): Promise<number> {
  const config = await loadConfig(configFile)
  const { verification, steps } = await verifyToken(config, options, io)
  return writeVerification(io, options.output, steps, verification)
}

/** Writes what became of a token, and returns the exit code. */
export function writeVerification(
  io: CliIo,
  format: OutputFormat,
  steps: readonly VerificationStep[],
  verification: Verification,
): number {
  writeOutput(io, format, {
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

function textOf(steps: readonly VerificationStep[], verification: Verification): string {
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
