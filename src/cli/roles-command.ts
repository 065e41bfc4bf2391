import type { BindingRow, RoleRow } from '../core/policy-row.ts'
import { parsePrincipal } from '../core/principal.ts'
import { parseDuration } from '../config/units.ts'
import { systemClock } from '../service/clock.ts'
import { putting } from '../service/policy-edit.ts'
import { scanKind } from '../service/policy-scan.ts'
import type { PolicyAdmin } from '../service/ports.ts'
import { authorOf, checked } from './actor.ts'
import type { EditOptions } from './command-options.ts'
import { windowOf } from './instant.ts'
import { EXIT, usageFailure, type CliIo } from './io.ts'
import type { OutputFormat } from './output.ts'
import { editAndShow, openPolicy, removeFound } from './policy-store.ts'
import { writeRoles, type Membership } from './roles-output.ts'

export interface RoleOptions extends EditOptions {
  readonly description?: string
  readonly sessionMax?: string
  readonly output: OutputFormat
}

export interface BindOptions extends EditOptions {
  readonly from?: string
  readonly until?: string
  readonly output: OutputFormat
}

export interface RoleSelection {
  readonly role?: string
  readonly member?: string
  readonly output: OutputFormat
}

/** Width of the column `Description`. */
const DESCRIPTION_CHARACTERS_MAX = 1024
/** As the CHECK constraint of the column `SessionMaxSeconds`. */
const SESSION_MAX_MS = { from: 1000, to: 31_536_000_000 }
/** Takes a longest session away. */
const NO_SESSION_MAX = 'none'

/** `callout roles set`: what is not given stays as it is. */
export async function setRole(configFile: string, role: string, options: RoleOptions, io: CliIo): Promise<number> {
  const settings = settingsFrom(role, options)
  await using policy = await openPolicy(configFile, io)
  return await setRoleOf(policy.admin, role, settings, options, io)
}

/** What the options set. Throws a usage failure. */
export function settingsFrom(role: string, options: RoleOptions): RoleSettingsChange {
  requireRole(role)
  authorOf(options)
  const { description, sessionMax } = options
  if (description === undefined && sessionMax === undefined)
    throw usageFailure('say what is set with --description or --session-max')
  return {
    ...(description === undefined ? {} : { description: textOrNone(description) }),
    ...(sessionMax === undefined ? {} : { sessionMaxMs: sessionMaxOf(sessionMax) }),
  }
}

/** Fields that are there are set; undefined takes a setting away. */
export interface RoleSettingsChange {
  readonly description?: string | undefined
  readonly sessionMaxMs?: number | undefined
}

/** Throws as `PolicyAdmin.edit`. */
export async function setRoleOf(
  admin: PolicyAdmin,
  role: string,
  change: RoleSettingsChange,
  options: RoleOptions,
  io: CliIo,
): Promise<number> {
  const [before] = await admin.startingWith('role', [role], 1)
  const author = authorOf(options)
  const { createdAt: _, description, sessionMaxMs, ...kept } = before ?? { role }
  const wanted = { description, sessionMaxMs, ...change }
  const after: RoleRow = {
    ...kept,
    ...(wanted.description === undefined ? {} : { description: wanted.description }),
    ...(wanted.sessionMaxMs === undefined ? {} : { sessionMaxMs: wanted.sessionMaxMs }),
    reason: author.reason,
    createdBy: author.actor,
  }
  await editAndShow(admin, putting('role', author, { before, after }), options, io, () =>
    writeRoles(io, options.output, [{ settings: after }]),
  )
  return EXIT.ok
}

/** `callout roles bind`: a binding that is there gets the new window. */
export async function bindRole(
  configFile: string,
  member: string,
  role: string,
  options: BindOptions,
  io: CliIo,
): Promise<number> {
  requireBinding(member, role)
  const window = windowOf(options, systemClock.nowMs())
  const { reason, actor } = authorOf(options)
  const binding: BindingRow = { member, role, ...window, reason, createdBy: actor }
  await using policy = await openPolicy(configFile, io)
  return await bindRoleOf(policy.admin, binding, options, io)
}

/** Throws as `PolicyAdmin.edit`. */
export async function bindRoleOf(
  admin: PolicyAdmin,
  binding: BindingRow,
  options: BindOptions,
  io: CliIo,
): Promise<number> {
  const [before] = await admin.startingWith('binding', [binding.member, binding.role], 1)
  const { createdAt: _, validFromMs: _from, validUntilMs: _until, ...kept } = before ?? binding
  const after = { ...kept, ...binding }
  await editAndShow(admin, putting('binding', authorOf(options), { before, after }), options, io, () =>
    writeRoles(io, options.output, [{ settings: undefined, binding: after }]),
  )
  return EXIT.ok
}

/** `callout roles unbind`: shows what was taken away. */
export async function unbindRole(
  configFile: string,
  member: string,
  role: string,
  options: EditOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  requireBinding(member, role)
  authorOf(options)
  await using policy = await openPolicy(configFile, io)
  return await unbindRoleOf(policy.admin, member, role, options, io)
}

/** Throws `CommandFailure` when the role is not bound, and as `PolicyAdmin.edit`. */
export async function unbindRoleOf(
  admin: PolicyAdmin,
  member: string,
  role: string,
  options: EditOptions & { readonly output: OutputFormat },
  io: CliIo,
): Promise<number> {
  const [binding] = await admin.startingWith('binding', [member, role], 1)
  const found = { kind: 'binding', row: binding, missing: `${member} does not have ${role}` } as const
  return removeFound(admin, found, options, io, (binding) =>
    writeRoles(io, options.output, [{ settings: undefined, binding }]),
  )
}

/** `callout roles list`: a line for each member, and one for a role that has settings and no member. */
export async function listRoles(configFile: string, selection: RoleSelection, io: CliIo): Promise<number> {
  const { role, member, output } = selection
  if (role !== undefined) requireRole(role)
  if (member !== undefined) requirePrincipal(member)
  await using policy = await openPolicy(configFile, io)
  writeRoles(io, output, await membershipsOf(policy.admin, selection))
  return EXIT.ok
}

async function membershipsOf(admin: PolicyAdmin, { role, member }: RoleSelection): Promise<Membership[]> {
  const settings = new Map<string, RoleRow>()
  for await (const row of scanKind(admin, 'role'))
    if (role === undefined || row.role === role) settings.set(row.role, row)
  const memberships: Membership[] = []
  for await (const binding of scanKind(admin, 'binding')) {
    if (role !== undefined && binding.role !== role) continue
    if (member !== undefined && binding.member !== member) continue
    memberships.push({ settings: settings.get(binding.role), binding })
  }
  const bound = new Set(memberships.map(({ binding }) => binding?.role))
  if (member === undefined) {
    for (const row of settings.values()) if (!bound.has(row.role)) memberships.push({ settings: row })
  }
  return memberships.sort((a, b) => compare(nameOf(a), nameOf(b)))
}

function nameOf({ settings, binding }: Membership): string {
  return `${binding?.role ?? settings?.role ?? ''} ${binding?.member ?? ''}`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function requireRole(role: string): void {
  const parsed = parsePrincipal(role)
  if ('problem' in parsed || parsed.principal.kind !== 'role')
    throw usageFailure(`the role ${JSON.stringify(role)}: write "role:<name>"`)
}

function requirePrincipal(member: string): void {
  const parsed = parsePrincipal(member)
  if ('problem' in parsed) throw usageFailure(`the principal ${JSON.stringify(member)}: ${parsed.problem}`)
  if (parsed.principal.kind === 'role') throw usageFailure('a role cannot have a role: bind its members')
}

function requireBinding(member: string, role: string): void {
  requirePrincipal(member)
  requireRole(role)
}

function textOrNone(text: string): string | undefined {
  return text === '' ? undefined : checked(text, '--description', DESCRIPTION_CHARACTERS_MAX)
}

function sessionMaxOf(text: string): number | undefined {
  if (text === NO_SESSION_MAX) return undefined
  const parsed = parseDuration(text)
  if ('problem' in parsed) throw usageFailure(`--session-max ${parsed.problem}, or "${NO_SESSION_MAX}"`)
  const { value } = parsed
  if (value < SESSION_MAX_MS.from || value > SESSION_MAX_MS.to || value % 1000 !== 0)
    throw usageFailure('--session-max must be whole seconds, from 1s to 8760h')
  return value
}
