import { CalloutError } from '../core/errors.ts'
import type { CheckpointStore } from '../service/checkpointer.ts'
import type { SpannerDatabase } from './database.ts'
import { insertion } from './mutation.ts'
import { AUDIT_CHECKPOINT_COLUMNS, AUDIT_CHECKPOINTS } from './schema.ts'
import { COMMIT_TIMESTAMP, int64Value, RowReader, stringValue } from './values.ts'

/** The table `AuditCheckpoints`. A place in a chain is taken once: a checkpoint is never replaced. */
export function createCheckpointStore(database: SpannerDatabase, instanceId: string): CheckpointStore {
  return {
    async add({ chainId, seq }, note, deadlineMs) {
      const key = [stringValue(chainId), int64Value(seq)]
      const row = [...key, COMMIT_TIMESTAMP, stringValue(instanceId), stringValue(note)]
      try {
        const insert = insertion(AUDIT_CHECKPOINTS, AUDIT_CHECKPOINT_COLUMNS, [row])
        await database.commit([insert], { repeatable: true }, deadlineMs)
      } catch (error) {
        if (!(error instanceof CalloutError) || error.code !== 'ERR_STORE_CONFLICT') throw error
        const read = { table: AUDIT_CHECKPOINTS, columns: ['Note'], prefixes: [key], limit: 1 }
        const { rows } = await database.read(read, 'strong', deadlineMs)
        const [stored] = rows.map((found) => new RowReader(AUDIT_CHECKPOINTS, ['Note'], found).string())
        if (stored !== note) throw error
      }
    },
  }
}
