import type { Migration } from '../migration.ts'

/**
 * By what time of Spanner's rows came that a service had kept on its disk before, however long. Whoever follows the audit asks for
 * those since its last look. A row that comes at once has no `Spooled`, so it is not in the index and costs nothing.
 */
export const spooled: Migration = {
  version: 11,
  name: 'spooled',
  statements: [
    `CREATE NULL_FILTERED INDEX IF NOT EXISTS DecisionsSpooled ON Decisions (Shard, Spooled, CommittedAt DESC)`,
  ],
}
