import { randomUUID } from 'node:crypto'
import type { Config } from '../config/config.ts'
import { ADDRESS_LOCKS_MAX, parseLockTarget, writtenLockTarget, type LockTarget } from '../core/locks.ts'
import type { LockRow } from '../core/policy-row.ts'
import { parsePrincipal } from '../core/principal.ts'
import { systemClock } from '../service/clock.ts'
import { adding } from '../service/policy-edit.ts'
import type { PolicyAdmin } from '../service/ports.ts'
import { authorOf, checked } from './actor.ts'
import type { EditOptions } from './command-options.ts'
import { LIST_ROWS_MAX } from './grants-command.ts'
import { formatOptionalInstant, parseInstant } from './instant.ts'
import { CommandFailure, EXIT, usageFailure, warn, type CliIo } from './io.ts'
import { writeOutput, type Column, type OutputFormat } from './output.ts'
import { editAndShow, openPolicy, removeFound } from './policy-store.ts'
import { writtenOrigin, type WrittenOrigin } from './written-row.ts'

export interface LockOptions extends EditOptions {
  readonly message?: string
  readonly until?: string
  readonly output: OutputFormat
}

/** Width of the column `Message`. */
const MESSAGE_CHARACTERS_MAX = 256
/** `lock list --target address` lists the locks on every block. */
const ANY_ADDRESS = 'address'

/** `callout lock add` */
export async function addLock(configFile: string, target: string, options: LockOptions, io: CliIo): Promise<number> {
  const lock = lockFrom(target, options, systemClock.nowMs())
  await using policy = await openPolicy(configFile, io)
  for (const warning of warningsFor(lock, policy.store.config)) warn(io, warning)
  return await addLockTo(policy.admin, lock, options, io)
}

/** A lock as the options describe it. Throws a usage failure. */
export function lockFrom(target: string, options: LockOptions, nowMs: number): LockRow {
  const { reason, actor } = authorOf(options)
  const { message, until } = options
  const expiresAtMs = until === undefined ? undefined : parseInstant(until, '--until', nowMs)
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) throw usageFailure('--until must be later than now')
  return {
    id: randomUUID(),
    ...targetOf(target),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    ...(message === undefined ? {} : { message: checked(message, '--message', MESSAGE_CHARACTERS_MAX) }),
    reason,
    createdBy: actor,
  }
}

/** Adds the lock. Throws as `PolicyAdmin.edit`, and `CommandFailure` when there are too many on addresses. */
export async function addLockTo(admin: PolicyAdmin, lock: LockRow, options: LockOptions, io: CliIo): Promise<number> {
  if (lock.sourceCidr !== undefined) await requireRoom(admin, lock.target)
  await editAndShow(admin, adding('lock', lock), options, io, () => writeLocks(io, options.output, [lock]))
  return EXIT.ok
}

/** Two that are added at the same moment may make one more. */
async function requireRoom(admin: PolicyAdmin, target: string): Promise<void> {
  const locks = await admin.startingWith('lock', [target], ADDRESS_LOCKS_MAX)
  if (locks.length < ADDRESS_LOCKS_MAX) return
  throw new CommandFailure(EXIT.failure, [
    `there are ${ADDRESS_LOCKS_MAX} locks on addresses, which is as many as every decision can look at; remove those that have expired, or lock wider blocks`,
  ])
}

/** `callout lock list`: by target and id, cut after `LIST_ROWS_MAX`. An empty list is no failure. */
export async function listLocks(
  configFile: string,
  { target, output }: { readonly target?: string; readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const wanted = target === undefined || target === ANY_ADDRESS ? { target } : targetOf(target, '--target')
  await using policy = await openPolicy(configFile, io)
  const key = wanted.target === undefined ? [] : [wanted.target]
  const locks = await policy.admin.startingWith('lock', key, LIST_ROWS_MAX + 1)
  const isWanted = ({ sourceCidr }: LockRow): boolean =>
    !('sourceCidr' in wanted) || wanted.sourceCidr === undefined || wanted.sourceCidr === sourceCidr
  writeLocks(io, output, locks.slice(0, LIST_ROWS_MAX).filter(isWanted))
  if (locks.length > LIST_ROWS_MAX) {
    io.stderr.write(`callout: only the first ${LIST_ROWS_MAX} locks are looked at; narrow with --target\n`)
  }
  return EXIT.ok
}

/** `callout lock remove`: shows what was removed. */
export async function removeLock(
  configFile: string,
  id: string,
  options: EditOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  authorOf(options)
  await using policy = await openPolicy(configFile, io)
  return await removeLockOf(policy.admin, id, options, io)
}

/** Removes the lock as it was found. Throws `CommandFailure` when there is none, and as `PolicyAdmin.edit`. */
export async function removeLockOf(
  admin: PolicyAdmin,
  id: string,
  options: EditOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const found = { kind: 'lock', row: await admin.findLock(id), missing: 'no lock has this id' } as const
  return removeFound(admin, found, options, io, (lock) => writeLocks(io, options.output, [lock]))
}

function targetOf(text: string, name = 'the target'): LockTarget {
  const parsed = parseLockTarget(text)
  if ('problem' in parsed) throw usageFailure(`${name} ${JSON.stringify(text)}: ${parsed.problem}`)
  return parsed.target
}

/** What is no mistake in itself but stops nobody with this configuration. */
function warningsFor({ target }: LockRow, config: Config): string[] {
  const [kind = '', name = ''] = target.split(':', 2)
  if (kind === 'account') {
    const account = target.slice('account:'.length)
    return config.callout.accounts.has(account)
      ? []
      : [`callout.accounts of the configuration does not list ${JSON.stringify(account)}`]
  }
  const isOfIssuer = kind === 'token' || 'principal' in parsePrincipal(target)
  if (!isOfIssuer || config.issuers.some(({ id }) => id === name)) return []
  return [`no issuer of the configuration has the id ${name}`]
}

interface WrittenLock extends WrittenOrigin {
  readonly id: string
  /** As `lock add` takes it. */
  readonly target: string
  readonly until: string | undefined
  readonly inForce: boolean
  readonly message: string | undefined
}

const COLUMNS: readonly Column<WrittenLock>[] = [
  { heading: 'ID', cell: ({ id }) => id },
  { heading: 'TARGET', cell: ({ target }) => target },
  { heading: 'STATE', cell: ({ inForce }) => (inForce ? 'in force' : 'expired') },
  { heading: 'UNTIL', cell: ({ until = '' }) => until },
  { heading: 'MESSAGE', cell: ({ message = '' }) => message },
  { heading: 'BY', cell: ({ createdBy }) => createdBy },
  { heading: 'REASON', cell: ({ reason }) => reason },
]

function writeLocks(io: CliIo, format: OutputFormat, locks: readonly LockRow[]): void {
  const nowMs = systemClock.nowMs()
  const records = locks.map((lock) => ({
    id: lock.id,
    target: writtenLockTarget(lock),
    until: formatOptionalInstant(lock.expiresAtMs),
    inForce: lock.expiresAtMs === undefined || lock.expiresAtMs > nowMs,
    message: lock.message,
    ...writtenOrigin(lock),
  }))
  writeOutput(io, format, { columns: COLUMNS, records })
}
