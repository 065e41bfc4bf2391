import type { Command } from 'commander'
import { runs, withConfig, withEdit, withOutput, type CommandContext } from '../command-options.ts'

/** `callout roles …` */
export function addRolesCommands(program: Command, context: CommandContext): void {
  const roles = program.command('roles').description('named sets of grants, and who has them')
  addSet(roles, context)
  addBind(roles, context)
  addUnbind(roles, context)
  addList(roles, context)
}

function addSet(roles: Command, context: CommandContext): void {
  const set = roles
    .command('set')
    .description('describe a role, or bound the sessions that use it; what is not given stays')
    .argument('<role>', 'role:<name>; what it may do is granted to it with "grants add"')
    .option('--description <text>', 'for people; "" takes it away')
    .option(
      '--session-max <duration>',
      'longest session that uses a grant of the role, such as 1h; "none" for no bound',
    )
  runs(withOutput(withConfig(withEdit(set))), context, async () => (await import('../roles-command.ts')).setRole)
}

function addBind(roles: Command, context: CommandContext): void {
  const bind = roles
    .command('bind')
    .description('give a role to a principal; again, with another window')
    .argument('<principal>', 'a user, client, group or issuer')
    .argument('<role>', 'role:<name>')
    .option('--from <time>', 'not before; RFC 3339 with zone, or +12h from now')
    .option('--until <time>', 'not after; RFC 3339 with zone, or +12h from now')
  runs(withOutput(withConfig(withEdit(bind))), context, async () => (await import('../roles-command.ts')).bindRole)
}

function addUnbind(roles: Command, context: CommandContext): void {
  const unbind = roles
    .command('unbind')
    .description('take a role from a principal; who and why stays in the history')
    .argument('<principal>', 'as "roles list" shows it')
    .argument('<role>', 'role:<name>')
  runs(withOutput(withConfig(withEdit(unbind))), context, async () => (await import('../roles-command.ts')).unbindRole)
}

function addList(roles: Command, context: CommandContext): void {
  const list = roles
    .command('list')
    .description('list roles with their settings and members')
    .option('--role <role>', 'only this one')
    .option('--member <principal>', 'only those of this principal')
  runs(withOutput(withConfig(list)), context, async () => (await import('../roles-command.ts')).listRoles)
}
