import type { Command } from 'commander'
import { withConfig, withEdit, withOutput, type CommandContext, type CommonOptions } from '../command-options.ts'
import type { HistorySelection, RevertOptions } from '../history-command.ts'

/** `callout history`, `callout blame` and `callout revert` */
export function addHistoryCommands(program: Command, { io, choose, configFile }: CommandContext): void {
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
  withOutput(withConfig(history)).action((options: CommonOptions & HistorySelection) =>
    choose(async () => {
      const { showHistory } = await import('../history-command.ts')
      return showHistory(configFile(options), options, io)
    }),
  )
  const blame = program
    .command('blame')
    .description('say who wrote each row that counts for a principal, directly or by a role, when and why')
    .argument('<principal>', 'user:<issuer>:<subject>, client:…, group:…, issuer:<issuer> or role:<name>')
  withOutput(withConfig(blame)).action((principal: string, options: CommonOptions) =>
    choose(async () => {
      const command = await import('../history-command.ts')
      return command.blame(configFile(options), principal, options, io)
    }),
  )
  const revert = program
    .command('revert')
    .description('make the rows of an edit what they were before it, all or none')
    .argument('[edit]', 'as "history" shows it')
    .option('--transaction <id>', 'in place of an edit: what one transaction of plain SQL changed')
    .addHelpText('after', REVERT_HELP)
  withOutput(withConfig(withEdit(revert))).action((edit: string | undefined, options: CommonOptions & RevertOptions) =>
    choose(async () => {
      const command = await import('../history-command.ts')
      return command.revert(configFile(options), edit, options, io)
    }),
  )
}

const HISTORY_HELP = `
The source "sql" is a change without a command: BY and REASON are then what the row itself says, and nothing for a row
that was deleted. "callout serve" writes the history; the last line says how far it reaches.
`

const REVERT_HELP = `
Refuses with 3, and says which, when rows have been changed since. The rows that come back are in the name of whoever reverts.
`
