import type { Migration } from '../migration.ts'

/**
 * Who acted for the principal, and a name of the principal for people. `Actors` is the `act` chain of the token as a JSON array,
 * the current actor first, each an object with one or more of `sub`, `iss` and `client_id`; `[]` when nobody acted. Both columns
 * are NULL where the principal is, and in rows of releases before this migration, which go on writing beside newer ones.
 */
export const delegation: Migration = {
  version: 3,
  name: 'delegation',
  statements: [
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS DisplayName STRING(512)`,
    `ALTER TABLE Decisions ADD COLUMN IF NOT EXISTS Actors JSON`,
  ],
}
