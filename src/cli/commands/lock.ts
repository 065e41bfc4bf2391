import type { Command } from 'commander'
import {
  withConfig,
  withEdit,
  withOutput,
  type CommandContext,
  type CommonOptions,
  type EditOptions,
} from '../command-options.ts'
import type { LockOptions } from '../lock-command.ts'

/** `callout lock …` */
export function addLockCommands(program: Command, { io, choose, configFile }: CommandContext): void {
  const lock = program.command('lock').description('who is refused, whatever the grants say')
  const add = lock
    .command('add')
    .description('refuse whoever the target names, until the lock is removed or expires')
    .argument('<target>', 'a user, client, group or issuer, account:…, token:…, address:<block> or everyone')
    .option('--message <text>', 'what operators read in the row of a refusal')
    .option('--until <time>', 'when it expires; RFC 3339 with zone, or +12h from now')
    .addHelpText('after', ADD_HELP)
  withOutput(withConfig(withEdit(add))).action((target: string, options: CommonOptions & LockOptions) =>
    choose(async () => {
      const { addLock } = await import('../lock-command.ts')
      return addLock(configFile(options), target, options, io)
    }),
  )
  const list = lock
    .command('list')
    .description('list locks by target')
    .option('--target <target>', 'only on this; "address" for every block of addresses')
  withOutput(withConfig(list)).action((options: CommonOptions & { readonly target?: string }) =>
    choose(async () => {
      const { listLocks } = await import('../lock-command.ts')
      return listLocks(configFile(options), options, io)
    }),
  )
  const remove = lock
    .command('remove')
    .description('remove a lock; who and why stays in the history')
    .argument('<id>', 'as "lock list" shows it')
  withOutput(withConfig(withEdit(remove))).action((id: string, options: CommonOptions & EditOptions) =>
    choose(async () => {
      const { removeLock } = await import('../lock-command.ts')
      return removeLock(configFile(options), id, options, io)
    }),
  )
}

const ADD_HELP = `
Targets:
  user:<issuer>:<subject>, client:<issuer>:<client id>, group:<issuer>:<group>, issuer:<issuer>
  account:<name>             whoever would be placed in the account
  token:<issuer>:<token id>  one token, by its id ("jti", as the audit shows it)
  address:<block>            whoever comes from there, such as address:10.0.0.0/8
  everyone

A lock holds from the next connection on; it does not end the sessions that are open.
`
