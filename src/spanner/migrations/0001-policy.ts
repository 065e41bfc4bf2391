import type { Migration } from '../migration.ts'

/** One token of a subject that is neither wildcard nor variable: `core/subject.ts` FORBIDDEN_IN_LITERAL. */
const LITERAL = String.raw`[^\s\p{Cc}\p{Z}\x{FEFF}{}*>.]+`
const VARIABLE = String.raw`\{\{[a-z][a-z0-9_]{0,63}\}\}`
const SUBJECT = String.raw`^(?:(?:${LITERAL}|\*|${VARIABLE})(?:\.(?:${LITERAL}|\*|${VARIABLE}))*(?:\.>)?|>)$`
const QUEUE = String.raw`^(?:(?:${LITERAL}|\*)(?:\.(?:${LITERAL}|\*))*(?:\.>)?|>)$`

const ISSUER_ID = '[a-z0-9][a-z0-9-]{0,62}'
const ROLE = 'role:[A-Za-z0-9][A-Za-z0-9._-]{0,127}'
const PERSON_OR_GROUP = String.raw`(?:user|client|group):${ISSUER_ID}:[^\p{Cc}]+|issuer:${ISSUER_ID}`
const ID = '^[A-Za-z0-9_-]{1,64}$'

/** Who may do what: edited by admins with the commands of this project or with plain SQL, read for every decision. */
export const policy: Migration = {
  version: 1,
  name: 'policy',
  statements: [
    `CREATE TABLE IF NOT EXISTS Grants (
  Principal STRING(512) NOT NULL,
  GrantId STRING(64) NOT NULL DEFAULT (GENERATE_UUID()),
  Account STRING(128) NOT NULL,
  Effect STRING(8) NOT NULL,
  Action STRING(16) NOT NULL,
  Subject STRING(1024) NOT NULL,
  QueueGroup STRING(256),
  ValidFrom TIMESTAMP,
  ValidUntil TIMESTAMP,
  Reason STRING(1024) NOT NULL,
  CreatedBy STRING(256) NOT NULL,
  CreatedAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),
  CONSTRAINT CK_Grants_Principal CHECK (REGEXP_CONTAINS(Principal, r'^(?:${PERSON_OR_GROUP}|${ROLE})$')),
  CONSTRAINT CK_Grants_GrantId CHECK (REGEXP_CONTAINS(GrantId, r'${ID}')),
  CONSTRAINT CK_Grants_Account CHECK (REGEXP_CONTAINS(Account, r'^[^\\s\\p{Cc}\\p{Z}]+$')),
  CONSTRAINT CK_Grants_Effect CHECK (Effect IN ('ALLOW', 'DENY')),
  CONSTRAINT CK_Grants_Action CHECK (Action IN ('PUBLISH', 'SUBSCRIBE')),
  CONSTRAINT CK_Grants_Subject CHECK (REGEXP_CONTAINS(Subject, r'${SUBJECT}')),
  CONSTRAINT CK_Grants_QueueGroup CHECK (QueueGroup IS NULL OR REGEXP_CONTAINS(QueueGroup, r'${QUEUE}')),
  CONSTRAINT CK_Grants_QueueOnSubscribe CHECK (QueueGroup IS NULL OR Action = 'SUBSCRIBE'),
  CONSTRAINT CK_Grants_Window CHECK (ValidFrom IS NULL OR ValidUntil IS NULL OR ValidFrom < ValidUntil),
  CONSTRAINT CK_Grants_Reason CHECK (TRIM(Reason) != ''),
  CONSTRAINT CK_Grants_CreatedBy CHECK (TRIM(CreatedBy) != '')
) PRIMARY KEY (Principal, GrantId)`,
    `CREATE UNIQUE INDEX IF NOT EXISTS GrantsById ON Grants (GrantId)`,
    `CREATE INDEX IF NOT EXISTS GrantsBySubject ON Grants (Subject)
  STORING (Account, Effect, Action, QueueGroup, ValidFrom, ValidUntil)`,

    `CREATE TABLE IF NOT EXISTS RoleBindings (
  Member STRING(512) NOT NULL,
  Role STRING(133) NOT NULL,
  ValidFrom TIMESTAMP,
  ValidUntil TIMESTAMP,
  Reason STRING(1024) NOT NULL,
  CreatedBy STRING(256) NOT NULL,
  CreatedAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),
  CONSTRAINT CK_RoleBindings_Member CHECK (REGEXP_CONTAINS(Member, r'^(?:${PERSON_OR_GROUP})$')),
  CONSTRAINT CK_RoleBindings_Role CHECK (REGEXP_CONTAINS(Role, r'^${ROLE}$')),
  CONSTRAINT CK_RoleBindings_Window CHECK (ValidFrom IS NULL OR ValidUntil IS NULL OR ValidFrom < ValidUntil),
  CONSTRAINT CK_RoleBindings_Reason CHECK (TRIM(Reason) != ''),
  CONSTRAINT CK_RoleBindings_CreatedBy CHECK (TRIM(CreatedBy) != '')
) PRIMARY KEY (Member, Role)`,
    `CREATE INDEX IF NOT EXISTS RoleBindingsByRole ON RoleBindings (Role) STORING (ValidFrom, ValidUntil)`,

    `CREATE TABLE IF NOT EXISTS Locks (
  Target STRING(512) NOT NULL,
  LockId STRING(64) NOT NULL DEFAULT (GENERATE_UUID()),
  ExpiresAt TIMESTAMP,
  Reason STRING(1024) NOT NULL,
  CreatedBy STRING(256) NOT NULL,
  CreatedAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),
  CONSTRAINT CK_Locks_Target CHECK (REGEXP_CONTAINS(Target, r'^(?:${PERSON_OR_GROUP})$')),
  CONSTRAINT CK_Locks_LockId CHECK (REGEXP_CONTAINS(LockId, r'${ID}')),
  CONSTRAINT CK_Locks_Reason CHECK (TRIM(Reason) != ''),
  CONSTRAINT CK_Locks_CreatedBy CHECK (TRIM(CreatedBy) != '')
) PRIMARY KEY (Target, LockId)`,
    `CREATE UNIQUE INDEX IF NOT EXISTS LocksById ON Locks (LockId)`,

    `CREATE TABLE IF NOT EXISTS GrantChanges (
  GrantId STRING(64) NOT NULL,
  ChangedAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),
  Change STRING(8) NOT NULL,
  Principal STRING(512) NOT NULL,
  ChangedBy STRING(256) NOT NULL,
  Reason STRING(1024) NOT NULL,
  GrantRow JSON NOT NULL,
  CONSTRAINT CK_GrantChanges_Change CHECK (Change IN ('ADDED', 'REMOVED')),
  CONSTRAINT CK_GrantChanges_ChangedBy CHECK (TRIM(ChangedBy) != ''),
  CONSTRAINT CK_GrantChanges_Reason CHECK (TRIM(Reason) != '')
) PRIMARY KEY (GrantId, ChangedAt)`,
    `CREATE INDEX IF NOT EXISTS GrantChangesByPrincipal ON GrantChanges (Principal, ChangedAt DESC)`,
  ],
}
