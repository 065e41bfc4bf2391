import { formatDuration } from '../config/units.ts'
import type { ConnectionCondition } from '../core/connection-condition.ts'
import type { GrantRow } from '../core/policy-row.ts'
import { formatOptionalInstant } from './instant.ts'
import type { CliIo } from './io.ts'
import { writeOutput, type Column, type OutputFormat } from './output.ts'
import { writtenOrigin, type WrittenOrigin } from './written-row.ts'

/** A grant in the form for programs: an interface for scripts. */
export interface WrittenGrant extends ConnectionCondition, WrittenOrigin {
  readonly id: string
  readonly principal: string
  readonly account: string
  readonly effect: string
  readonly action: string
  readonly subject: string
  readonly queue: string | undefined
  readonly response: GrantRow['response']
  readonly validFrom: string | undefined
  readonly validUntil: string | undefined
  readonly forced: true | undefined
}

const COLUMNS: readonly Column<WrittenGrant>[] = [
  { heading: 'ID', cell: ({ id }) => id },
  { heading: 'PRINCIPAL', cell: ({ principal }) => principal },
  { heading: 'ACCOUNT', cell: ({ account }) => account },
  { heading: 'EFFECT', cell: ({ effect }) => effect },
  { heading: 'ACTION', cell: ({ action }) => action },
  { heading: 'SUBJECT', cell: ({ subject }) => subject },
  { heading: 'QUEUE', cell: ({ queue = '' }) => queue },
  { heading: 'RESPONSE', cell: writtenResponse },
  { heading: 'FROM', cell: ({ validFrom = '' }) => validFrom },
  { heading: 'UNTIL', cell: ({ validUntil = '' }) => validUntil },
  { heading: 'CONNECTION', cell: writtenCondition },
  { heading: 'FORCED', cell: ({ forced }) => (forced === true ? 'forced' : '') },
  { heading: 'BY', cell: ({ createdBy }) => createdBy },
  { heading: 'REASON', cell: ({ reason }) => reason },
]

export function writeGrants(io: CliIo, format: OutputFormat, grants: readonly GrantRow[]): void {
  writeOutput(io, format, { columns: COLUMNS, records: grants.map(written) })
}

/** The parts of a condition, each a list of which one entry has to hold: `MQTT,LEAFNODE 10.0.0.0/8 tls:mutual`. */
function writtenCondition({ connectionTypes, sourceCidrs, tls }: ConnectionCondition): string {
  const parts = [connectionTypes?.join(','), sourceCidrs?.join(','), tls === undefined ? undefined : `tls:${tls}`]
  return parts.filter((part) => part !== undefined).join(' ')
}

/** Messages and time: `2 within 30s`. */
function writtenResponse({ response }: WrittenGrant): string {
  return response === undefined ? '' : `${response.max} within ${formatDuration(response.ttlMs)}`
}

function written(grant: GrantRow): WrittenGrant {
  return {
    id: grant.id,
    principal: grant.principal,
    account: grant.account,
    effect: grant.effect,
    action: grant.action,
    subject: grant.subject,
    queue: grant.queue,
    response: grant.response,
    validFrom: formatOptionalInstant(grant.validFromMs),
    validUntil: formatOptionalInstant(grant.validUntilMs),
    ...grant.condition,
    forced: grant.forced,
    ...writtenOrigin(grant),
  }
}
