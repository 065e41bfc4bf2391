import type { Migration } from '../migration.ts'

/**
 * What a decision was made of besides the columns that are there: so that it can be made again. `WantedAccount` is the user name of
 * the client where it is one of the configured accounts, and NULL otherwise: it may be anything, a password too.
 */
export const inputs: Migration = {
  version: 8,
  name: 'inputs',
  statements: [
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS Attributes JSON`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS WantedAccount STRING(128)`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS HasVerifiedCertificate BOOL`,
  ],
}
