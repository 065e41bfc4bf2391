import type { Action } from '../core/grant.ts'
import type { BindingRow, GrantRow } from '../core/policy-row.ts'
import { systemClock as clock } from '../service/clock.ts'
import { scanKind } from '../service/policy-scan.ts'
import { questionOf } from './can-command.ts'
import { coversSubject } from './grant-input.ts'
import { formatOptionalInstant } from './instant.ts'
import { EXIT, type CliIo } from './io.ts'
import { writeOutput, type OutputFormat } from './output.ts'
import { openPolicy } from './policy-store.ts'

export interface WhoCanOptions {
  readonly account?: string
  readonly output: OutputFormat
}

/** A principal and the grant that it has, by itself or by a role. */
interface Holder {
  readonly principal: string
  readonly role: string | undefined
  readonly grant: GrantRow
  readonly validUntilMs: number | undefined
}

/**
 * `callout who-can`: every principal with a grant in force that covers the subject, roles resolved to their members, and the
 * denials that cover it as well. Says nothing of conditions and of who has a group: only a token tells. Returns 0 when
 * somebody can.
 */
export async function whoCan(
  configFile: string,
  asked: { readonly action: string; readonly subject: string },
  { account, output }: WhoCanOptions,
  io: CliIo,
): Promise<number> {
  const { action, subject } = questionOf(asked)
  await using policy = await openPolicy(configFile, io)
  const nowMs = clock.nowMs()
  const isOpen = ({ validFromMs = -Infinity, validUntilMs = Infinity }: GrantRow | BindingRow): boolean =>
    validFromMs <= nowMs && nowMs < validUntilMs
  const isAsked = (grant: GrantRow): boolean =>
    isOpen(grant) && (account === undefined || grant.account === account) && coversSubject(grant, subject, action)

  const grants: GrantRow[] = []
  for await (const grant of scanKind(policy.admin, 'grant')) if (isAsked(grant)) grants.push(grant)
  const bindings: BindingRow[] = []
  if (grants.some(({ principal }) => principal.startsWith('role:')))
    for await (const binding of scanKind(policy.admin, 'binding')) if (isOpen(binding)) bindings.push(binding)

  const holders = holdersOf(
    grants,
    Map.groupBy(bindings, ({ role }) => role),
  )
  writeHolders(io, output, action, holders)
  return holders.some(({ grant }) => grant.effect === 'allow') ? EXIT.ok : EXIT.failure
}

function holdersOf(grants: readonly GrantRow[], members: ReadonlyMap<string, readonly BindingRow[]>): Holder[] {
  return grants.flatMap((grant): Holder[] => {
    const { principal, validUntilMs } = grant
    if (!principal.startsWith('role:')) return [{ principal, role: undefined, grant, validUntilMs }]
    return (members.get(principal) ?? []).map((binding) => ({
      principal: binding.member,
      role: principal,
      grant,
      validUntilMs: earlier(validUntilMs, binding.validUntilMs),
    }))
  })
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
}

function writeHolders(io: CliIo, format: OutputFormat, action: Action, holders: readonly Holder[]): void {
  writeOutput(io, format, {
    columns: [
      { heading: 'PRINCIPAL', cell: ({ principal }) => principal },
      { heading: 'EFFECT', cell: ({ effect }) => effect },
      { heading: 'ACCOUNT', cell: ({ account }) => account },
      { heading: 'BY ROLE', cell: ({ role = '' }) => role },
      { heading: 'SUBJECT', cell: ({ subject }) => subject },
      { heading: 'QUEUE', cell: ({ queue = '' }) => queue },
      { heading: 'UNTIL', cell: ({ validUntil = '' }) => validUntil },
      { heading: 'CONDITIONS', cell: ({ hasConditions }) => (hasConditions ? 'yes' : '') },
      { heading: 'GRANT', cell: ({ grant }) => grant },
    ],
    records: holders.map(({ principal, role, grant, validUntilMs }) => ({
      principal,
      effect: grant.effect,
      action,
      account: grant.account,
      role,
      subject: grant.subject,
      queue: grant.queue,
      validUntil: formatOptionalInstant(validUntilMs),
      hasConditions: grant.condition !== undefined,
      grant: grant.id,
    })),
  })
}
