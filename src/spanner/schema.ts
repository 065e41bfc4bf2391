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
  'ResponseMax',
  'ResponseTtlMs',
] as const
/** What admins see of each row of policy besides. */
export const LABEL_COLUMNS = ['Name', 'Scope', 'Owner', 'Ticket', 'Labels'] as const
export const ORIGIN_COLUMNS = ['Reason', 'CreatedBy', 'CreatedAt'] as const
export const GRANTS_BY_ID = 'GrantsById'
export const GRANTS_BY_SUBJECT = 'GrantsBySubject'
export const GRANTS_BY_SCOPE = 'GrantsByScope'

export const ROLE_BINDINGS = 'RoleBindings'
export const ROLE_BINDING_COLUMNS = ['Member', 'Role', 'ValidFrom', 'ValidUntil'] as const
export const ROLE_BINDINGS_BY_ROLE = 'RoleBindingsByRole'
export const ROLE_BINDINGS_BY_SCOPE = 'RoleBindingsByScope'

export const ROLES = 'Roles'
export const ROLE_COLUMNS = ['Role', 'SessionMaxSeconds'] as const
export const ROLES_BY_SCOPE = 'RolesByScope'

export const LOCKS = 'Locks'
export const LOCK_COLUMNS = ['Target', 'LockId', 'ExpiresAt', 'SourceCidr', 'Message'] as const
export const LOCKS_BY_ID = 'LocksById'
export const LOCKS_BY_SCOPE = 'LocksByScope'

/** Every change by a command, for the history. */
export const POLICY_EDITS = 'PolicyEdits'
export const POLICY_EDIT_COLUMNS = ['EditId', 'EditedAt', 'Source', 'Actor', 'ApprovedBy', 'Reason'] as const

export const POLICY_CHANGES = 'PolicyChanges'
export const POLICY_HISTORY = 'PolicyHistory'
export const POLICY_HISTORY_COLUMNS = [
  'TableName',
  'EntityKey',
  'CommittedAt',
  'TransactionId',
  'RecordSequence',
  'ModIndex',
  'Change',
  'Principal',
  'EntityId',
  'EditId',
  'Source',
  'Actor',
  'ApprovedBy',
  'Reason',
  'BeforeRow',
  'AfterRow',
] as const
export const POLICY_HISTORY_BY_PRINCIPAL = 'PolicyHistoryByPrincipal'
export const POLICY_HISTORY_BY_ID = 'PolicyHistoryById'
export const POLICY_HISTORY_BY_TIME = 'PolicyHistoryByTime'
export const POLICY_HISTORY_BY_EDIT = 'PolicyHistoryByEdit'
export const POLICY_HISTORY_BY_TRANSACTION = 'PolicyHistoryByTransaction'

export const CHANGE_STREAM_READERS = 'ChangeStreamReaders'
export const CHANGE_STREAM_READER_COLUMNS = [
  'Stream',
  'Holder',
  'LeaseExpiresAt',
  'RecordedUntil',
  'UpdatedAt',
] as const

export const PROPOSALS = 'Proposals'
export const PROPOSAL_COLUMNS = [
  'ProposalId',
  'State',
  'Plan',
  'ProposedBy',
  'ProposedAt',
  'Reason',
  'DecidedBy',
  'DecidedAt',
  'DecisionReason',
] as const
export const PROPOSALS_BY_STATE = 'ProposalsByState'

/** History before migration 0006; nothing writes it any more. */
export const GRANT_CHANGES = 'GrantChanges'
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
  'Attributes',
  'WantedAccount',
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
  'HasVerifiedCertificate',
  'ClientCertificateSha256',
  'InstanceId',
  'ServiceVersion',
  'ElapsedMicros',
  'StageMicros',
  'PermissionsSha256',
  'GrantSetId',
  'RepeatCount',
  'RepeatedSince',
] as const
export type DecisionColumn = (typeof DECISION_COLUMNS)[number]
/** Of `Decisions`, beside what was decided: `core/audit-chain.ts`. */
export const CHAIN_COLUMNS = ['ChainId', 'ChainSeq', 'PreviousHash', 'RowHash', 'Spooled'] as const
export const STORED_DECISION_COLUMNS = [...DECISION_COLUMNS, ...CHAIN_COLUMNS] as const
export type StoredDecisionColumn = (typeof STORED_DECISION_COLUMNS)[number]
export const DECISIONS_BY_PRINCIPAL = 'DecisionsByPrincipal'
export const DECISIONS_DENIED = 'DecisionsDenied'
export const DECISIONS_BY_TOKEN = 'DecisionsByToken'
export const DECISIONS_BY_ADDRESS = 'DecisionsByAddress'
export const DECISIONS_BY_SERVER = 'DecisionsByServer'
export const DECISIONS_BY_GRANT_SET = 'DecisionsByGrantSet'
export const DECISIONS_SPOOLED = 'DecisionsSpooled'

export const GRANT_SET_MEMBERS = 'GrantSetMembers'
export const GRANT_SET_MEMBER_COLUMNS = ['GrantId', 'GrantSetId', 'SeenAt'] as const

export const AUDIT_CHECKPOINTS = 'AuditCheckpoints'
export const AUDIT_CHECKPOINT_COLUMNS = ['ChainId', 'ChainSeq', 'CreatedAt', 'InstanceId', 'Note'] as const
export const AUDIT_CHECKPOINTS_BY_TIME = 'AuditCheckpointsByTime'

export const AUDIT_READS = 'AuditReads'
export const AUDIT_READ_COLUMNS = ['ReadId', 'ReadAt', 'Reader', 'Command', 'Query'] as const
export const AUDIT_READS_BY_TIME = 'AuditReadsByTime'

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
