import { systemClock } from '../../../src/service/clock.ts'
import { DatabaseAdmin } from '../../../src/spanner/database-admin.ts'
import { applyMigrations, MIGRATIONS } from '../../../src/spanner/migrations.ts'
import { openDatabase } from '../../support/spanner.ts'

/** Long enough for the test to see it held, short enough to wait for its end. */
const LEASE_MS = 3000

/** Applies half of a migration, says so, and then waits to be killed. */
class HalfWay extends DatabaseAdmin {
  override async updateSchema(statements: readonly string[], onPoll: () => Promise<void>): Promise<void> {
    const isMigration = MIGRATIONS.some((migration) => migration.statements[0] === statements[0])
    if (!isMigration) return super.updateSchema(statements, onPoll)
    await super.updateSchema(statements.slice(0, Math.ceil(statements.length / 2)), onPoll)
    process.stdout.write('half-way\n')
    await new Promise((resolve) => {
      setTimeout(resolve, 2 ** 31 - 1)
    })
  }
}

const [emulatorHost = '', name = ''] = process.argv.slice(2)
const { database } = openDatabase(emulatorHost, name)
const admin = new HalfWay({ database: name, emulatorHost, clock: systemClock })
const progress = (): void => {}
await applyMigrations({ database, admin, clock: systemClock, holder: 'victim', progress, leaseMs: LEASE_MS })
