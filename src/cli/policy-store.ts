import type { PolicyKind, PolicyTables } from '../core/policy-row.ts'
import { removing } from '../service/policy-edit.ts'
import type { PolicyAdmin, PolicyEdit } from '../service/ports.ts'
import { authorOf } from './actor.ts'
import type { DryRunOptions, EditOptions } from './command-options.ts'
import { noteDryRun } from './dry-run.ts'
import { CommandFailure, EXIT, type CliIo } from './io.ts'
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

/**
 * Removes a row as it was found, and shows it. Throws `CommandFailure` with what is `missing` when none was found, and as
 * `PolicyAdmin.edit`.
 */
export async function removeFound<Kind extends PolicyKind>(
  admin: PolicyAdmin,
  {
    kind,
    row,
    missing,
  }: { readonly kind: Kind; readonly row: PolicyTables[Kind] | undefined; readonly missing: string },
  options: EditOptions,
  io: CliIo,
  show: (removed: PolicyTables[Kind]) => void,
): Promise<number> {
  if (row === undefined) throw new CommandFailure(EXIT.conflict, [missing])
  await editAndShow(admin, removing(kind, authorOf(options), row), options, io, () => show(row))
  return EXIT.ok
}
