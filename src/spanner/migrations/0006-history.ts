import type { Migration } from '../migration.ts'

/**
 * Who changed what, when and why. Every command writes a row of `PolicyEdits` in the transaction of its change; the change stream
 * reports that row together with the changed ones, also those of plain SQL, which have no edit. The reader of the stream makes
 * `PolicyHistory` of it; the key is that of the change record, so that one that is delivered twice makes one row. A row with the
 * change `GAP` says that what was changed before it can no longer be found out. `ChangeStreamReaders.RecordedUntil` is the
 * commit timestamp up to which everything is in the history.
 */
export const history: Migration = {
  version: 6,
  name: 'history',
  statements: [
    `CREATE TABLE IF NOT EXISTS PolicyEdits (
  EditId STRING(64) NOT NULL,
  EditedAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),
  Source STRING(32) NOT NULL,
  Actor STRING(256) NOT NULL,
  ApprovedBy STRING(256),
  Reason STRING(1024) NOT NULL,
  CONSTRAINT CK_PolicyEdits_Actor CHECK (TRIM(Actor) != ''),
  CONSTRAINT CK_PolicyEdits_ApprovedBy CHECK (ApprovedBy IS NULL OR (TRIM(ApprovedBy) != '' AND ApprovedBy != Actor)),
  CONSTRAINT CK_PolicyEdits_Reason CHECK (TRIM(Reason) != '')
) PRIMARY KEY (EditId)`,
    `CREATE TABLE IF NOT EXISTS PolicyHistory (
  TableName STRING(64) NOT NULL,
  EntityKey STRING(2048) NOT NULL,
  CommittedAt TIMESTAMP NOT NULL,
  TransactionId STRING(128) NOT NULL,
  RecordSequence STRING(64) NOT NULL,
  ModIndex INT64 NOT NULL,
  Change STRING(8) NOT NULL,
  Principal STRING(512) NOT NULL,
  EntityId STRING(512) NOT NULL,
  EditId STRING(64),
  Source STRING(32) NOT NULL,
  Actor STRING(256),
  ApprovedBy STRING(256),
  Reason STRING(1024),
  BeforeRow JSON,
  AfterRow JSON,
  CONSTRAINT CK_PolicyHistory_Change CHECK (CASE Change
    WHEN 'ADDED' THEN BeforeRow IS NULL AND AfterRow IS NOT NULL
    WHEN 'CHANGED' THEN BeforeRow IS NOT NULL AND AfterRow IS NOT NULL
    WHEN 'REMOVED' THEN BeforeRow IS NOT NULL AND AfterRow IS NULL
    WHEN 'GAP' THEN BeforeRow IS NULL AND AfterRow IS NULL
    ELSE FALSE END)
) PRIMARY KEY (TableName, EntityKey, CommittedAt DESC, TransactionId, RecordSequence, ModIndex)`,
    `CREATE INDEX IF NOT EXISTS PolicyHistoryByPrincipal ON PolicyHistory (Principal, CommittedAt DESC)`,
    `CREATE INDEX IF NOT EXISTS PolicyHistoryById ON PolicyHistory (EntityId, CommittedAt DESC)`,
    `CREATE INDEX IF NOT EXISTS PolicyHistoryByTime ON PolicyHistory (CommittedAt DESC)`,
    `CREATE INDEX IF NOT EXISTS PolicyHistoryByEdit ON PolicyHistory (EditId)`,
    `CREATE INDEX IF NOT EXISTS PolicyHistoryByTransaction ON PolicyHistory (TransactionId)`,
    `CREATE TABLE IF NOT EXISTS ChangeStreamReaders (
  Stream STRING(64) NOT NULL,
  Holder STRING(64),
  LeaseExpiresAt TIMESTAMP,
  RecordedUntil TIMESTAMP,
  UpdatedAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true)
) PRIMARY KEY (Stream)`,
    `CREATE CHANGE STREAM PolicyChanges FOR Grants, RoleBindings, Roles, Locks, PolicyEdits
  OPTIONS (retention_period = '7d', value_capture_type = 'NEW_ROW_AND_OLD_VALUES')`,
  ],
}
