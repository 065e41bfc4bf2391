/**
 * Every name of the schema that the code uses. The DDL is in `migrations/`, whose files never change once released; a test
 * compares the two on a real database. Column lists are in the order in which rows are written and read.
 */

export const GRANTS = 'Grants'
export const GRANT_COLUMNS = [
  'Principal',
  'GrantId',
  'Account',
  'Effect',
  'Action',
  'Subject',
  'QueueGroup',
  'ValidFrom',
  'ValidUntil',
  'ConnectionTypes',
  'SourceCidrs',
  'Tls',
] as const
/** What admins see of a grant besides. */
export const GRANT_ORIGIN_COLUMNS = ['Reason', 'CreatedBy', 'CreatedAt'] as const
export const GRANTS_BY_ID = 'GrantsById'
export const GRANTS_BY_SUBJECT = 'GrantsBySubject'

export const ROLE_BINDINGS = 'RoleBindings'
export const ROLE_BINDING_COLUMNS = ['Member', 'Role', 'ValidFrom', 'ValidUntil'] as const
export const ROLE_BINDING_ORIGIN_COLUMNS = ['Reason', 'CreatedBy', 'CreatedAt'] as const
export const ROLE_BINDINGS_BY_ROLE = 'RoleBindingsByRole'

export const LOCKS = 'Locks'
export const LOCK_COLUMNS = ['Target', 'LockId', 'ExpiresAt'] as const
export const LOCK_ORIGIN_COLUMNS = ['Reason', 'CreatedBy', 'CreatedAt'] as const
export const LOCKS_BY_ID = 'LocksById'

export const GRANT_CHANGES = 'GrantChanges'
export const GRANT_CHANGE_COLUMNS = [
  'GrantId',
  'ChangedAt',
  'Change',
  'Principal',
  'ChangedBy',
  'Reason',
  'GrantRow',
] as const
export const GRANT_CHANGES_BY_PRINCIPAL = 'GrantChangesByPrincipal'

export const DECISIONS = 'Decisions'
export const DECISION_COLUMNS = [
  'Shard',
  'DenyShard',
  'DecidedAt',
  'DecisionId',
  'CommittedAt',
  'Outcome',
  'Reason',
  'ReasonDetail',
  'Principal',
  'DisplayName',
  'Actors',
  'IssuerId',
  'Issuer',
  'Subject',
  'ClientId',
  'GroupNames',
  'TokenId',
  'TokenSha256',
  'TokenKeyId',
  'TokenAlgorithm',
  'TokenAudience',
  'TokenIssuedAt',
  'TokenExpiresAt',
  'Account',
  'Permissions',
  'SessionExpiresAt',
  'GrantIds',
  'SkippedGrants',
  'LockIds',
  'GrantsReadAt',
  'UserNkey',
  'ServerId',
  'ServerName',
  'ServerVersion',
  'Cluster',
  'ConnectionId',
  'ClientHost',
  'ClientName',
  'ClientLang',
  'ClientVersion',
  'ClientKind',
  'ConnectionType',
  'TlsVersion',
  'InstanceId',
  'ServiceVersion',
  'ElapsedMicros',
] as const
export type DecisionColumn = (typeof DECISION_COLUMNS)[number]
export const DECISIONS_BY_PRINCIPAL = 'DecisionsByPrincipal'
export const DECISIONS_DENIED = 'DecisionsDenied'
export const DECISIONS_BY_CONNECTION = 'DecisionsByConnection'

export const INSTANCES = 'Instances'
export const INSTANCE_COLUMNS = ['InstanceId', 'StartedAt', 'SeenAt', 'Version'] as const

export const SCHEMA_MIGRATIONS = 'SchemaMigrations'
export const SCHEMA_MIGRATION_COLUMNS = [
  'Version',
  'Name',
  'Checksum',
  'State',
  'AppliedBy',
  'StartedAt',
  'AppliedAt',
] as const

export const SCHEMA_LOCK = 'SchemaLock'
export const SCHEMA_LOCK_COLUMNS = ['LockId', 'Holder', 'ExpiresAt'] as const
