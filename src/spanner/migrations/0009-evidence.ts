import type { Migration } from '../migration.ts'

const KEPT = 'INTERVAL 400 DAY'

/**
 * What makes the audit complete, searchable and tamper-evident. Rows of releases before it have none of the new columns.
 *
 * `ChainId`, `ChainSeq`, `PreviousHash` and `RowHash`: `core/audit-chain.ts`. `AuditCheckpoints` holds what was signed of each chain.
 *
 * A grant set is all grants that one decision applied; `GrantSetId` names it. Most decisions of a principal share one, so that
 * "what did this grant admit" is a range of `DecisionsByGrantSet` for each of its sets, and no row for each grant of each
 * decision. `SeenAt` is renewed once a day while a set is in use.
 *
 * The indexes store nothing besides: whoever searches wants whole rows, and each stored column is written with every decision.
 *
 * `RepeatCount` refusals like this one, the first of them at `RepeatedSince`, have no row of their own. `Spooled` rows were
 * kept on the disk of the service before they came here.
 *
 * The constraint goes, since to look at it costs the emulator a quarter of a commit: a row that somebody else wrote is found by
 * `callout audit verify`, whatever it holds.
 */
export const evidence: Migration = {
  version: 9,
  name: 'evidence',
  statements: [
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS PermissionsSha256 STRING(64)`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS GrantSetId STRING(64)`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS ClientCertificateSha256 STRING(64)`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS StageMicros JSON`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS RepeatCount INT64`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS RepeatedSince TIMESTAMP`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS Spooled BOOL`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS ChainId STRING(36)`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS ChainSeq INT64`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS PreviousHash STRING(64)`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS RowHash STRING(64)`,
    `ALTER TABLE Decisions DROP CONSTRAINT CK_Decisions_Complete`,

    `CREATE NULL_FILTERED INDEX IF NOT EXISTS DecisionsByToken ON Decisions (TokenId, DecidedAt DESC)`,
    `CREATE INDEX IF NOT EXISTS DecisionsByAddress ON Decisions (ClientHost, DecidedAt DESC)`,
    `CREATE INDEX IF NOT EXISTS DecisionsByServer ON Decisions (ServerName, DecidedAt DESC)`,
    `CREATE NULL_FILTERED INDEX IF NOT EXISTS DecisionsByGrantSet ON Decisions (GrantSetId, DecidedAt DESC)`,
    `DROP INDEX IF EXISTS DecisionsByConnection`,

    `CREATE TABLE IF NOT EXISTS GrantSetMembers (
  GrantId STRING(64) NOT NULL,
  GrantSetId STRING(64) NOT NULL,
  SeenAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true)
) PRIMARY KEY (GrantId, GrantSetId),
  ROW DELETION POLICY (OLDER_THAN(SeenAt, INTERVAL 402 DAY))`,

    `CREATE TABLE IF NOT EXISTS AuditCheckpoints (
  ChainId STRING(36) NOT NULL,
  ChainSeq INT64 NOT NULL,
  CreatedAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),
  InstanceId STRING(64) NOT NULL,
  Note STRING(MAX) NOT NULL
) PRIMARY KEY (ChainId, ChainSeq),
  ROW DELETION POLICY (OLDER_THAN(CreatedAt, ${KEPT}))`,
    `CREATE INDEX IF NOT EXISTS AuditCheckpointsByTime ON AuditCheckpoints (CreatedAt DESC)`,

    `CREATE TABLE IF NOT EXISTS AuditReads (
  ReadId STRING(36) NOT NULL,
  ReadAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),
  Reader STRING(256) NOT NULL,
  Command STRING(64) NOT NULL,
  Query JSON NOT NULL
) PRIMARY KEY (ReadId),
  ROW DELETION POLICY (OLDER_THAN(ReadAt, ${KEPT}))`,
    `CREATE INDEX IF NOT EXISTS AuditReadsByTime ON AuditReads (ReadAt DESC)`,

    `CREATE OR REPLACE VIEW RecentDenials SQL SECURITY INVOKER AS
SELECT d.DecidedAt, d.DecisionId, d.Reason, d.ReasonDetail, d.Principal, d.Issuer, d.Subject, d.ClientHost, d.ServerName, d.RepeatCount
FROM UNNEST(GENERATE_ARRAY(0, 15)) AS s JOIN Decisions AS d ON d.Shard = s
WHERE d.DecidedAt > TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 DAY) AND d.Outcome = 'DENY'`,
    `CREATE OR REPLACE VIEW ActiveSessions SQL SECURITY INVOKER AS
SELECT d.DecidedAt, d.DecisionId, d.Principal, d.Account, d.ServerName, d.ServerId, d.ConnectionId, d.ClientHost, d.SessionExpiresAt
FROM UNNEST(GENERATE_ARRAY(0, 15)) AS s JOIN Decisions AS d ON d.Shard = s
WHERE d.DecidedAt > TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY) AND d.Outcome = 'ALLOW' AND d.SessionExpiresAt > CURRENT_TIMESTAMP()`,
    `CREATE OR REPLACE VIEW PrincipalDecisions SQL SECURITY INVOKER AS
SELECT d.Principal, d.DecidedAt, d.DecisionId, d.Outcome, d.Reason, d.Account, d.ClientHost, d.ServerName, d.SessionExpiresAt
FROM Decisions AS d WHERE d.Principal IS NOT NULL`,
    `CREATE OR REPLACE VIEW GrantUse SQL SECURITY INVOKER AS
SELECT g.GrantId, ANY_VALUE(g.Principal) AS Principal, ANY_VALUE(g.Account) AS Account, ANY_VALUE(g.Subject) AS Subject,
  ANY_VALUE(g.CreatedAt) AS CreatedAt, MAX(m.SeenAt) AS LastAdmittedAt
FROM Grants AS g LEFT JOIN GrantSetMembers AS m ON m.GrantId = g.GrantId GROUP BY g.GrantId`,
  ],
}
