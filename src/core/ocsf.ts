import type { Sha256 } from './audit-chain.ts'
import { parsePrincipal, type PrincipalKind } from './principal.ts'
import { filled } from './stored-columns.ts'

/**
 * What events of the Open Cybersecurity Schema Framework have in common here.
 *
 * Names follow https://github.com/ocsf/ocsf-schema at commit a5cfc68e3ca6d5b4468c33f8d7ebb76da967975f (1.9.0-dev of July 2026), because
 * no release has the profile `record_integrity` yet (it came with commit 2a244bc90cf56cddc4577ba033534f0b7ae01525, after 1.8.0).
 */
export const OCSF_VERSION = '1.9.0-dev'

const IAM = { category_uid: 3, category_name: 'Identity & Access Management' } as const

/** Where the caller comes in: core has neither a clock nor a hash. */
export interface OcsfTools {
  /** Epoch milliseconds of an RFC 3339 time; NaN for what is none. */
  readonly epochMs: (time: string) => number
  readonly sha256: Sha256
}

export type OcsfEvent = Readonly<Record<string, unknown>>

/** Severity is what it costs to look after a refusal: of a stranger little, of what looks like an attack or a failure of ours more. */
export const OCSF_SEVERITIES = {
  0: 'Unknown',
  1: 'Informational',
  2: 'Low',
  3: 'Medium',
  4: 'High',
} as const
export type OcsfSeverity = keyof typeof OCSF_SEVERITIES

export const OCSF_PRODUCT = { name: 'nats-spanner-callout', vendor_name: 'nats-spanner-callout' } as const

/** The attributes that every event of the category has; `type_uid` by the rule of the schema. */
export function ocsfClass(
  classUid: number,
  className: string,
  activityId: number,
  activityName: string,
): Readonly<Record<string, unknown>> & { readonly type_uid: number } {
  return {
    ...IAM,
    class_uid: classUid,
    class_name: className,
    activity_id: activityId,
    activity_name: activityName,
    type_uid: classUid * 100 + activityId,
    type_name: `${className}: ${activityName}`,
  }
}

interface UserType {
  readonly type_id: number
  readonly type: string
}

const USER_TYPES: Readonly<Record<PrincipalKind, UserType>> = {
  user: { type_id: 1, type: 'User' },
  client: { type_id: 4, type: 'Service' },
  group: { type_id: 99, type: 'Group' },
  issuer: { type_id: 99, type: 'Issuer' },
  role: { type_id: 99, type: 'Role' },
}
const UNKNOWN_USER: UserType = { type_id: 0, type: 'Unknown' }

/** A written principal as a user; what is none stays nameless, as far as the schema lets it. */
export function principalUser(written: string | undefined): OcsfEvent {
  const parsed = written === undefined ? undefined : parsePrincipal(written)
  if (written === undefined || parsed === undefined) return { name: 'unknown', ...UNKNOWN_USER }
  if ('problem' in parsed) return { uid: written, name: written, ...UNKNOWN_USER }
  const { kind, issuerId, name } = parsed.principal
  return { uid: written, name: name ?? issuerId ?? written, ...USER_TYPES[kind], ...filled({ domain: issuerId }) }
}
