import type { Command } from 'commander'
import { runs, withConfig, withEdit, withOutput, type CommandContext } from '../command-options.ts'

/** `callout history`, `callout blame` and `callout revert` */
export function addHistoryCommands(program: Command, context: CommandContext): void {
  const history = program
    .command('history')
    .description('list changes of policy, newest first, also those of plain SQL')
    .option('--principal <principal>', 'only rows about this principal')
    .option('--grant <id>', 'only of this grant')
    .option('--role <name>', 'only of this role, its grants and its bindings')
    .option('--since <time>', 'not before; RFC 3339 with zone, or -24h from now')
    .option('--until <time>', 'before; RFC 3339 with zone, or -24h from now')
    .option('--limit <number>', 'at most so many', '100')
    .addHelpText('after', HISTORY_HELP)
  runs(withOutput(withConfig(history)), context, async () => (await import('../history-command.ts')).showHistory)
  const blame = program
    .command('blame')
    .description('say who wrote each row that counts for a principal, directly or by a role, when and why')
    .argument('<principal>', 'user:<issuer>:<subject>, client:…, group:…, issuer:<issuer> or role:<name>')
  runs(withOutput(withConfig(blame)), context, async () => (await import('../history-command.ts')).blame)
  const revert = program
    .command('revert')
    .description('make the rows of an edit what they were before it, all or none')
    .argument('[edit]', 'as "history" shows it')
    .option('--transaction <id>', 'in place of an edit: what one transaction of plain SQL changed')
    .addHelpText('after', REVERT_HELP)
  runs(withOutput(withConfig(withEdit(revert))), context, async () => (await import('../history-command.ts')).revert)
}

const HISTORY_HELP = `
The source "sql" is a change without a command: BY and REASON are then what the row itself says, and nothing for a row
that was deleted. "callout serve" writes the history; the last line says how far it reaches.
`

const REVERT_HELP = `
Refuses with 3, and says which, when rows have been changed since. The rows that come back are in the name of whoever reverts.
`
