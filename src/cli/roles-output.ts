import { formatDuration } from '../config/units.ts'
import type { BindingRow, RoleRow } from '../core/policy-row.ts'
import { formatOptionalInstant } from './instant.ts'
import type { CliIo } from './io.ts'
import { writeOutput, type Column, type OutputFormat } from './output.ts'

/** A role that somebody has, or the settings of one. */
export interface Membership {
  readonly settings: RoleRow | undefined
  readonly binding?: BindingRow
}

interface WrittenMembership {
  readonly role: string
  readonly description: string | undefined
  readonly sessionMax: string | undefined
  readonly member: string | undefined
  readonly validFrom: string | undefined
  readonly validUntil: string | undefined
  readonly reason: string
  readonly createdBy: string
  readonly createdAt: string | undefined
}

const COLUMNS: readonly Column<WrittenMembership>[] = [
  { heading: 'ROLE', cell: ({ role }) => role },
  { heading: 'SESSION MAX', cell: ({ sessionMax = '' }) => sessionMax },
  { heading: 'MEMBER', cell: ({ member = '' }) => member },
  { heading: 'FROM', cell: ({ validFrom = '' }) => validFrom },
  { heading: 'UNTIL', cell: ({ validUntil = '' }) => validUntil },
  { heading: 'BY', cell: ({ createdBy }) => createdBy },
  { heading: 'REASON', cell: ({ reason }) => reason },
  { heading: 'DESCRIPTION', cell: ({ description = '' }) => description },
]

/** Who and why is of the binding where there is one, else of the settings. */
export function writeRoles(io: CliIo, format: OutputFormat, memberships: readonly Membership[]): void {
  const records = memberships.flatMap(({ settings, binding }) => {
    const row = binding ?? settings
    if (row === undefined) return []
    const { sessionMaxMs, description } = settings ?? {}
    return {
      role: row.role,
      description,
      sessionMax: sessionMaxMs === undefined ? undefined : formatDuration(sessionMaxMs),
      member: binding?.member,
      validFrom: formatOptionalInstant(binding?.validFromMs),
      validUntil: formatOptionalInstant(binding?.validUntilMs),
      reason: row.reason,
      createdBy: row.createdBy,
      createdAt: row.createdAt,
    }
  })
  writeOutput(io, format, { columns: COLUMNS, records })
}
