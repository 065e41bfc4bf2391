import type { Migration } from '../migration.ts'

/**
 * Database roles, each with what the code that works as this role does and no more: a test records what that is. `callout_service`
 * is of `callout serve`, `callout_admin` of the commands that read and edit policy, `callout_auditor` of those that read the audit.
 *
 * The service can add to the audit and change nothing in it. It reads of its rows no more than what tells whether a commit was
 * applied whose answer was lost. It may not read `PolicyEdits`, and gets its rows by the change stream.
 */
export const roles: Migration = {
  version: 10,
  name: 'roles',
  needs: 'database roles',
  statements: [
    `CREATE ROLE callout_service`,
    `GRANT SELECT ON TABLE SchemaMigrations, Grants, RoleBindings, Roles, Locks TO ROLE callout_service`,
    `GRANT INSERT ON TABLE Decisions, AuditCheckpoints TO ROLE callout_service`,
    `GRANT SELECT(Shard, DecidedAt, DecisionId, Outcome, UserNkey, RowHash) ON TABLE Decisions TO ROLE callout_service`,
    `GRANT SELECT(ChainId, ChainSeq, Note) ON TABLE AuditCheckpoints TO ROLE callout_service`,
    `GRANT INSERT, UPDATE ON TABLE GrantSetMembers, PolicyHistory TO ROLE callout_service`,
    `GRANT SELECT, INSERT, UPDATE ON TABLE Instances, ChangeStreamReaders TO ROLE callout_service`,
    `GRANT SELECT ON CHANGE STREAM PolicyChanges TO ROLE callout_service`,
    `GRANT EXECUTE ON TABLE FUNCTION READ_PolicyChanges TO ROLE callout_service`,

    `CREATE ROLE callout_admin`,
    `GRANT SELECT ON TABLE SchemaMigrations, Decisions, PolicyHistory, ChangeStreamReaders TO ROLE callout_admin`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE Grants, RoleBindings, Roles, Locks TO ROLE callout_admin`,
    `GRANT INSERT ON TABLE PolicyEdits TO ROLE callout_admin`,
    `GRANT SELECT, INSERT, UPDATE ON TABLE Proposals TO ROLE callout_admin`,

    `CREATE ROLE callout_auditor`,
    `GRANT SELECT ON TABLE SchemaMigrations, Decisions, GrantSetMembers, AuditCheckpoints, PolicyHistory, ChangeStreamReaders, Grants TO ROLE callout_auditor`,
    `GRANT SELECT, INSERT ON TABLE AuditReads TO ROLE callout_auditor`,
    `GRANT SELECT ON VIEW RecentDenials, ActiveSessions, PrincipalDecisions, GrantUse TO ROLE callout_auditor`,
  ],
}
