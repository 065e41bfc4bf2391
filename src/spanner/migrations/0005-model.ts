import type { Migration } from '../migration.ts'

const ISSUER_ID = '[a-z0-9][a-z0-9-]{0,62}'
const NAMED = String.raw`(?:user|client|group|token):${ISSUER_ID}:[^\p{Cc}]+|issuer:${ISSUER_ID}|account:[^\s\p{Cc}\p{Z}\x{FEFF}]{1,128}`
/** Names of streams, consumers, buckets and services that every client library takes; a variable stands for a whole name. */
const NAME = '[A-Za-z0-9_-]{1,255}'
const VARIABLE = String.raw`\{\{[a-z][a-z0-9_]{0,63}\}\}`
const RESOURCE = String.raw`(?:${NAME}|${VARIABLE})`
const ON_RESOURCE =
  "'STREAM_READ', 'STREAM_WRITE', 'STREAM_MANAGE', 'KV_READ', 'KV_WRITE', 'OBJECT_READ', 'OBJECT_WRITE', 'SERVICE_CALL', 'SERVICE_OFFER'"

const OCTET = '(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])'
const IPV4_BLOCK = String.raw`${OCTET}(?:\.${OCTET}){3}/(?:[0-9]|[12][0-9]|3[0-2])`
const IPV6_BLOCK = '[0-9A-Fa-f:.]{0,43}:[0-9A-Fa-f:.]{0,43}/(?:[0-9]|[1-9][0-9]|1[01][0-9]|12[0-8])'

/** Columns by which people find rows that belong together: which document made them, for whom, and why. */
function labelled(table: string): string[] {
  const columns = ['Name STRING(128)', 'Scope STRING(64)', 'Owner STRING(256)', 'Ticket STRING(128)']
  return [
    ...columns.map((column) => `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS ${column}`),
    `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS Labels ARRAY<STRING(192)>`,
    `ALTER TABLE ${table} ADD CONSTRAINT CK_${table}_Scope CHECK (Scope IS NULL OR REGEXP_CONTAINS(Scope, r'^[a-z0-9][a-z0-9._-]{0,63}$'))`,
    `ALTER TABLE ${table} ADD CONSTRAINT CK_${table}_Labels CHECK (Labels IS NULL OR ARRAY_LENGTH(Labels) <= 32)`,
  ]
}

/**
 * Grants of actions above raw subjects, what a subscriber may answer, roles with a longest session, and locks on more than
 * principals. `Subject` holds the name of the stream, bucket or service where `Action` names one, and `STREAM/CONSUMER` for
 * `CONSUMER_USE`. A lock on addresses has the target `address` and the block in `SourceCidr`, so that all of them are read by one
 * key. Releases before this migration know none of it: replace all replicas before the first such row is written.
 */
export const model: Migration = {
  version: 5,
  name: 'model',
  statements: [
    `ALTER TABLE Grants ADD COLUMN IF NOT EXISTS ResponseMax INT64`,
    `ALTER TABLE Grants ADD COLUMN IF NOT EXISTS ResponseTtlMs INT64`,
    `ALTER TABLE Grants ADD COLUMN IF NOT EXISTS Forced BOOL`,
    ...labelled('Grants'),
    `ALTER TABLE Grants DROP CONSTRAINT CK_Grants_Action`,
    `ALTER TABLE Grants ADD CONSTRAINT CK_Grants_KnownAction CHECK (Action IN ('PUBLISH', 'SUBSCRIBE', 'CONSUMER_USE', ${ON_RESOURCE}))`,
    `ALTER TABLE Grants ADD CONSTRAINT CK_Grants_Resource CHECK (CASE
  WHEN Action IN ('PUBLISH', 'SUBSCRIBE') THEN TRUE
  WHEN Effect != 'ALLOW' THEN FALSE
  WHEN Action = 'CONSUMER_USE' THEN REGEXP_CONTAINS(Subject, r'^${NAME}/${NAME}$')
  ELSE REGEXP_CONTAINS(Subject, r'^${RESOURCE}$') END)`,
    `ALTER TABLE Grants ADD CONSTRAINT CK_Grants_Response CHECK ((ResponseMax IS NULL AND ResponseTtlMs IS NULL)
  OR (ResponseMax IS NOT NULL AND ResponseTtlMs IS NOT NULL AND Effect = 'ALLOW' AND Action IN ('SUBSCRIBE', 'SERVICE_OFFER')
    AND ResponseMax BETWEEN 1 AND 1000000 AND ResponseTtlMs BETWEEN 1 AND 86400000))`,

    `CREATE TABLE IF NOT EXISTS Roles (
  Role STRING(133) NOT NULL,
  Description STRING(1024),
  SessionMaxSeconds INT64,
  Name STRING(128),
  Scope STRING(64),
  Owner STRING(256),
  Ticket STRING(128),
  Labels ARRAY<STRING(192)>,
  Reason STRING(1024) NOT NULL,
  CreatedBy STRING(256) NOT NULL,
  CreatedAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),
  CONSTRAINT CK_Roles_Role CHECK (REGEXP_CONTAINS(Role, r'^role:[A-Za-z0-9][A-Za-z0-9._-]{0,127}$')),
  CONSTRAINT CK_Roles_SessionMax CHECK (SessionMaxSeconds IS NULL OR SessionMaxSeconds BETWEEN 1 AND 31536000),
  CONSTRAINT CK_Roles_Scope CHECK (Scope IS NULL OR REGEXP_CONTAINS(Scope, r'^[a-z0-9][a-z0-9._-]{0,63}$')),
  CONSTRAINT CK_Roles_Labels CHECK (Labels IS NULL OR ARRAY_LENGTH(Labels) <= 32),
  CONSTRAINT CK_Roles_Reason CHECK (TRIM(Reason) != ''),
  CONSTRAINT CK_Roles_CreatedBy CHECK (TRIM(CreatedBy) != '')
) PRIMARY KEY (Role)`,

    ...labelled('RoleBindings'),

    `ALTER TABLE Locks ADD COLUMN IF NOT EXISTS SourceCidr STRING(64)`,
    `ALTER TABLE Locks ADD COLUMN IF NOT EXISTS Message STRING(256)`,
    ...labelled('Locks'),
    `ALTER TABLE Locks DROP CONSTRAINT CK_Locks_Target`,
    `ALTER TABLE Locks ADD CONSTRAINT CK_Locks_KnownTarget CHECK (REGEXP_CONTAINS(Target, r'^(?:${NAMED}|address|everyone)$'))`,
    `ALTER TABLE Locks ADD CONSTRAINT CK_Locks_SourceCidr CHECK (CASE Target WHEN 'address'
  THEN SourceCidr IS NOT NULL AND REGEXP_CONTAINS(SourceCidr, r'^(?:${IPV4_BLOCK}|${IPV6_BLOCK})$')
  ELSE SourceCidr IS NULL END)`,
  ],
}
