import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createEmulatorDatabase } from '../../src/dev/emulator-database.ts'
import { systemClock } from '../../src/service/clock.ts'
import type { PolicyAdmin } from '../../src/service/ports.ts'
import { createPolicyAdmin } from '../../src/spanner/policy-admin.ts'
import { configWith } from '../unit/config/config-text.ts'
import { callout as runCallout, type CommandResult } from '../unit/cli/recorded-io.ts'
import { grantDocument } from './documents.ts'
import { applySchema, openDatabase } from './spanner.ts'

export interface PolicyStand extends AsyncDisposable {
  readonly callout: (...argv: string[]) => Promise<CommandResult>
  readonly admin: PolicyAdmin
  /** Writes a file into the folder of this stand and returns its path. */
  readonly file: (name: string, text: string) => Promise<string>
  readonly path: (name: string) => string
}

/** A new database, a folder within `dir`, and the command for both. */
export async function policyStand(
  emulatorHost: string,
  dir: string,
  settings: Record<string, unknown> = {},
): Promise<PolicyStand> {
  const name = await createEmulatorDatabase(emulatorHost)
  await applySchema(emulatorHost, name)
  const folder = await mkdtemp(join(dir, 'case-'))
  const path = (file: string): string => join(folder, file)
  await writeFile(path('callout.yaml'), configWith({ 'store.url': `spanner://${name}`, ...settings }))
  const env = { CALLOUT_CONFIG: path('callout.yaml'), SPANNER_EMULATOR_HOST: emulatorHost }
  const connection = openDatabase(emulatorHost, name)
  let ids = 0
  return {
    callout: (...argv) => runCallout(argv, env),
    admin: createPolicyAdmin({ database: connection.database, clock: systemClock, newId: () => `e${(ids += 1)}` }),
    async file(file, text) {
      await writeFile(path(file), text)
      return path(file)
    },
    path,
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  }
}

/** Two grants and a role for a group. */
export const TEAM_DOCUMENTS = `${grantDocument('publish: { allow: [orders.new, orders.old] }')}---
apiVersion: callout.nats/v1
kind: RoleBinding
metadata: { name: readers }
spec: { role: 'role:reader', members: ['group:corp:ops'] }
`

/** The subjects of all grants, sorted. */
export async function grantedSubjects(admin: PolicyAdmin): Promise<string[]> {
  return (await admin.scan('grant', 1000)).map(({ subject }) => subject).sort()
}
