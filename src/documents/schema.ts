import { z } from 'zod'
import { parseDuration } from '../config/units.ts'
import { CONNECTION_TYPES, SOURCE_CIDRS_MAX, TLS_REQUIREMENTS } from '../core/connection-condition.ts'
import { RESOURCE_ACTIONS } from '../core/grant.ts'
import { LABELS_MAX, NAME_CHARACTERS_MAX, ROW_ID, SCOPE } from '../core/row-problems.ts'

export const API_VERSION = 'callout.nats/v1'
export const DOCUMENT_KINDS = ['Grant', 'Role', 'RoleBinding', 'Lock'] as const
export type DocumentKind = (typeof DOCUMENT_KINDS)[number]

/** What one document may list. */
const PRINCIPALS_MAX = 5000
const SUBJECTS_MAX = 5000
const TEXT_CHARACTERS_MAX = 1024

/** RFC 3339 with its zone: a time without one means something else on every machine. */
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d{2}:\d{2})$/
const DURATION = /^[0-9]{1,9}(?:ms|s|m|h)$/

function text(description: string) {
  return z.string().min(1, 'must not be empty').max(TEXT_CHARACTERS_MAX).describe(description)
}

function list<S extends z.ZodType>(element: S, max: number, description: string) {
  return z
    .array(element)
    .min(1, 'needs at least 1 entry')
    .max(max, `has more than ${max} entries`)
    .describe(description)
}

export function time(description: string) {
  return z
    .string()
    .regex(RFC_3339, 'must be a time with its zone, such as 2027-01-31T18:00:00Z')
    .refine((written) => !Number.isNaN(Date.parse(written)), 'is no time of the calendar')
    .describe(description)
}

function duration(description: string) {
  return z
    .string()
    .regex(DURATION, 'must be a duration with a unit, such as 1500ms, 30s, 5m or 12h')
    .describe(description)
}

const metadata = z.strictObject({
  name: text('Name of the document; the ids of its rows begin with it.').max(NAME_CHARACTERS_MAX).optional(),
  id: z
    .string()
    .regex(ROW_ID, 'must be 1 to 64 letters, digits, "_" and "-"')
    .describe('Id of the one row that this document describes, for rows that were not made by documents.')
    .optional(),
  scope: z
    .string()
    .regex(SCOPE, 'must be lower-case letters, digits, ".", "_", "-", at most 64')
    .describe('The set of documents that the rows are managed with; --scope says it for all.')
    .optional(),
  owner: text('Who answers for it.').optional(),
  ticket: text('Where it was asked for.').optional(),
  labels: z
    .record(z.string().regex(/^[^=\p{Cc}\p{Cs}]+$/u, 'must not hold "="'), z.string().max(TEXT_CHARACTERS_MAX))
    .refine((labels) => Object.keys(labels).length <= LABELS_MAX, `has more than ${LABELS_MAX} entries`)
    .describe('Words by which people find it.')
    .optional(),
})

const subject = text(
  'A NATS subject: tokens between dots, "*" for one token, ">" for the rest, {{subject}} and other variables.',
)
const queue = text('Only as a member of this queue group.')
const response = z
  .strictObject({
    max: z.int().describe('Messages for each message received.'),
    ttl: duration('How long after it.'),
  })
  .describe('How much may be answered to the reply subject of what is received.')
const received = z.union([subject, z.strictObject({ subject, queue: queue.optional(), response: response.optional() })])
const deniedReceipt = z.union([subject, z.strictObject({ subject, queue: queue.optional() })])
const action = z
  .string()
  .regex(
    new RegExp(`^(?:${RESOURCE_ACTIONS.join('|')}) [^ ]+$`),
    'must be an action and what it is on, such as "stream:read ORDERS"',
  )
  .describe(`One of ${RESOURCE_ACTIONS.join(', ')}, and the name of what it is on: "stream:read ORDERS".`)

const window = {
  validFrom: time('Not before.').optional(),
  validUntil: time('Not after.').optional(),
}

const grantSpec = z.strictObject({
  principals: list(
    text('user:<issuer>:<subject>, client:<issuer>:<client>, group:<issuer>:<group>, issuer:<issuer> or role:<name>.'),
    PRINCIPALS_MAX,
    'Who.',
  ),
  account: text('NATS account.'),
  publish: z
    .strictObject({
      allow: list(subject, SUBJECTS_MAX, 'May publish to these.').optional(),
      deny: list(subject, SUBJECTS_MAX, 'May not publish to these, whatever else is granted.').optional(),
    })
    .optional(),
  subscribe: z
    .strictObject({
      allow: list(received, SUBJECTS_MAX, 'May subscribe to these.').optional(),
      deny: list(deniedReceipt, SUBJECTS_MAX, 'May not subscribe to these, whatever else is granted.').optional(),
    })
    .optional(),
  allow: list(
    z.union([action, z.strictObject({ action, response: response.optional() })]),
    SUBJECTS_MAX,
    'What may be done with streams, consumers, buckets and services.',
  ).optional(),
  ...window,
  conditions: z
    .strictObject({
      connectionTypes: list(z.enum(CONNECTION_TYPES), CONNECTION_TYPES.length, 'Only on such a connection.').optional(),
      sourceCidrs: list(text('A block such as 10.0.0.0/8.'), SOURCE_CIDRS_MAX, 'Only from these addresses.').optional(),
      tls: z.enum(TLS_REQUIREMENTS).describe('Only over TLS; "mutual" with a verified client certificate.').optional(),
    })
    .optional(),
  force: z.literal(true, 'must be true').describe('It is meant to be as wide as it is: > and the like.').optional(),
})

const role = z
  .string()
  .regex(/^role:[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be "role:<name>"')
  .describe('role:<name>')

const roleSpec = z.strictObject({
  role,
  description: text('What it is for.').optional(),
  sessionMax: duration('Longest session that uses a grant of the role.').optional(),
})

const bindingSpec = z.strictObject({
  role,
  members: list(text('user:…, client:…, group:… or issuer:…'), PRINCIPALS_MAX, 'Who has the role.'),
  ...window,
})

const lockSpec = z.strictObject({
  targets: list(
    text('A principal but no role, account:<name>, token:<issuer>:<token id>, address:<block> or everyone.'),
    PRINCIPALS_MAX,
    'Who is refused, before any grant is looked at.',
  ),
  message: text('For people who look at the refusal.').optional(),
  expires: time('The lock holds until then.').optional(),
})

function documentOf<Kind extends DocumentKind, Spec extends z.ZodType>(kind: Kind, spec: Spec) {
  return z.strictObject({
    apiVersion: z.literal(API_VERSION, `must be ${API_VERSION}`),
    kind: z.literal(kind),
    metadata,
    spec,
  })
}

export const documentSchemas = {
  Grant: documentOf('Grant', grantSpec),
  Role: documentOf('Role', roleSpec),
  RoleBinding: documentOf('RoleBinding', bindingSpec),
  Lock: documentOf('Lock', lockSpec),
} as const

export type WrittenDocument = { [Kind in DocumentKind]: z.output<(typeof documentSchemas)[Kind]> }[DocumentKind]
export type WrittenMetadata = z.output<typeof metadata>

/** Milliseconds of a duration that the schema has let through. */
export function durationMs(written: string): number {
  const parsed = parseDuration(written)
  if ('problem' in parsed) throw new TypeError('an unchecked duration')
  return parsed.value
}

/** The JSON Schema of one document, for editors. It is kinder than the reader, which knows subjects and addresses as well. */
export function documentJsonSchema(): object {
  const { Grant, Role, RoleBinding, Lock } = documentSchemas
  const { $schema, ...rest } = z.toJSONSchema(z.discriminatedUnion('kind', [Grant, Role, RoleBinding, Lock]), {
    io: 'input',
    target: 'draft-7',
  }) as Record<string, unknown>
  return { $schema, title: 'Documents of nats-spanner-callout', ...rest }
}
