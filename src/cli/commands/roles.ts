import type { Command } from 'commander'
import {
  withConfig,
  withEdit,
  withOutput,
  type CommandContext,
  type CommonOptions,
  type EditOptions,
} from '../command-options.ts'
import type { BindOptions, RoleOptions, RoleSelection } from '../roles-command.ts'

/** `callout roles …` */
export function addRolesCommands(program: Command, context: CommandContext): void {
  const roles = program.command('roles').description('named sets of grants, and who has them')
  addSet(roles, context)
  addBind(roles, context)
  addUnbind(roles, context)
  addList(roles, context)
}

function addSet(roles: Command, { io, choose, configFile }: CommandContext): void {
  const set = roles
    .command('set')
    .description('describe a role, or bound the sessions that use it; what is not given stays')
    .argument('<role>', 'role:<name>; what it may do is granted to it with "grants add"')
    .option('--description <text>', 'for people; "" takes it away')
    .option(
      '--session-max <duration>',
      'longest session that uses a grant of the role, such as 1h; "none" for no bound',
    )
  withOutput(withConfig(withEdit(set))).action((role: string, options: CommonOptions & RoleOptions) =>
    choose(async () => {
      const { setRole } = await import('../roles-command.ts')
      return setRole(configFile(options), role, options, io)
    }),
  )
}

function addBind(roles: Command, { io, choose, configFile }: CommandContext): void {
  const bind = roles
    .command('bind')
    .description('give a role to a principal; again, with another window')
    .argument('<principal>', 'a user, client, group or issuer')
    .argument('<role>', 'role:<name>')
    .option('--from <time>', 'not before; RFC 3339 with zone, or +12h from now')
    .option('--until <time>', 'not after; RFC 3339 with zone, or +12h from now')
  withOutput(withConfig(withEdit(bind))).action(
    (principal: string, role: string, options: CommonOptions & BindOptions) =>
      choose(async () => {
        const { bindRole } = await import('../roles-command.ts')
        return bindRole(configFile(options), principal, role, options, io)
      }),
  )
}

function addUnbind(roles: Command, { io, choose, configFile }: CommandContext): void {
  const unbind = roles
    .command('unbind')
    .description('take a role from a principal; who and why stays in the history')
    .argument('<principal>', 'as "roles list" shows it')
    .argument('<role>', 'role:<name>')
  withOutput(withConfig(withEdit(unbind))).action(
    (principal: string, role: string, options: CommonOptions & EditOptions) =>
      choose(async () => {
        const { unbindRole } = await import('../roles-command.ts')
        return unbindRole(configFile(options), principal, role, options, io)
      }),
  )
}

function addList(roles: Command, { io, choose, configFile }: CommandContext): void {
  const list = roles
    .command('list')
    .description('list roles with their settings and members')
    .option('--role <role>', 'only this one')
    .option('--member <principal>', 'only those of this principal')
  withOutput(withConfig(list)).action((options: CommonOptions & RoleSelection) =>
    choose(async () => {
      const { listRoles } = await import('../roles-command.ts')
      return listRoles(configFile(options), options, io)
    }),
  )
}
