import type { Migration } from '../migration.ts'

/**
 * Changes that one person proposed and another has to approve; a decided proposal stays. And the rows of a scope by key, so that a
 * plan can be held against them in the transaction that applies it.
 */
export const proposals: Migration = {
  version: 7,
  name: 'proposals',
  statements: [
    `CREATE TABLE IF NOT EXISTS Proposals (
  ProposalId STRING(64) NOT NULL,
  State STRING(16) NOT NULL,
  Plan JSON NOT NULL,
  ProposedBy STRING(256) NOT NULL,
  ProposedAt TIMESTAMP NOT NULL OPTIONS (allow_commit_timestamp = true),
  Reason STRING(1024) NOT NULL,
  DecidedBy STRING(256),
  DecidedAt TIMESTAMP OPTIONS (allow_commit_timestamp = true),
  DecisionReason STRING(1024),
  CONSTRAINT CK_Proposals_State CHECK (CASE State
    WHEN 'OPEN' THEN DecidedBy IS NULL
    WHEN 'APPLIED' THEN DecidedBy IS NOT NULL AND DecidedBy != ProposedBy
    WHEN 'REJECTED' THEN DecidedBy IS NOT NULL
    ELSE FALSE END),
  CONSTRAINT CK_Proposals_ProposedBy CHECK (TRIM(ProposedBy) != ''),
  CONSTRAINT CK_Proposals_Reason CHECK (TRIM(Reason) != '')
) PRIMARY KEY (ProposalId)`,
    `CREATE INDEX IF NOT EXISTS ProposalsByState ON Proposals (State, ProposedAt DESC)`,
    `CREATE NULL_FILTERED INDEX IF NOT EXISTS GrantsByScope ON Grants (Scope)`,
    `CREATE NULL_FILTERED INDEX IF NOT EXISTS RolesByScope ON Roles (Scope)`,
    `CREATE NULL_FILTERED INDEX IF NOT EXISTS RoleBindingsByScope ON RoleBindings (Scope)`,
    `CREATE NULL_FILTERED INDEX IF NOT EXISTS LocksByScope ON Locks (Scope)`,
  ],
}
