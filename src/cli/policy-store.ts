import type { PolicyAdmin, PolicyEdit } from '../service/ports.ts'
import type { DryRunOptions } from './command-options.ts'
import { noteDryRun } from './dry-run.ts'
import type { CliIo } from './io.ts'
import { policyAdminOf } from './policy-access.ts'
import { openKnownStore, type Store } from './store.ts'

export interface PolicyStore extends AsyncDisposable {
  readonly store: Store
  readonly admin: PolicyAdmin
}

/** Opens the policy of the store that a configuration names. Throws as `openKnownStore`. */
export async function openPolicy(configFile: string, io: CliIo): Promise<PolicyStore> {
  const store = await openKnownStore(configFile, io)
  return { store, admin: policyAdminOf(store), [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
}

/**
 * Makes an edit and then shows it, or only shows it in a dry run. Throws as `PolicyAdmin.edit`, and shows nothing then: a row that
 * was changed since it was looked at stays as it is.
 */
export async function editAndShow(
  admin: PolicyAdmin,
  edit: PolicyEdit,
  { dryRun }: DryRunOptions,
  io: CliIo,
  show: () => void,
): Promise<void> {
  if (dryRun !== true) await admin.edit(edit)
  show()
  if (dryRun === true) noteDryRun(io)
}
