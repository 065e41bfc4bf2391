import type { Command } from 'commander'
import { runs, withConfig, withEdit, withOutput, type CommandContext } from '../command-options.ts'

/** `callout lock …` */
export function addLockCommands(program: Command, context: CommandContext): void {
  const lock = program.command('lock').description('who is refused, whatever the grants say')
  const add = lock
    .command('add')
    .description('refuse whoever the target names, until the lock is removed or expires')
    .argument('<target>', 'a user, client, group or issuer, account:…, token:…, address:<block> or everyone')
    .option('--message <text>', 'what operators read in the row of a refusal')
    .option('--until <time>', 'when it expires; RFC 3339 with zone, or +12h from now')
    .addHelpText('after', ADD_HELP)
  runs(withOutput(withConfig(withEdit(add))), context, async () => (await import('../lock-command.ts')).addLock)
  const list = lock
    .command('list')
    .description('list locks by target')
    .option('--target <target>', 'only on this; "address" for every block of addresses')
  runs(withOutput(withConfig(list)), context, async () => (await import('../lock-command.ts')).listLocks)
  const remove = lock
    .command('remove')
    .description('remove a lock; who and why stays in the history')
    .argument('<id>', 'as "lock list" shows it')
  runs(withOutput(withConfig(withEdit(remove))), context, async () => (await import('../lock-command.ts')).removeLock)
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
