import type { Command } from 'commander'
import { withConfig, withOutput, type CommandContext, type CommonOptions } from '../command-options.ts'
import type { WhoCanOptions } from '../who-can-command.ts'

/** `callout who-can` */
export function addWhoCanCommand(program: Command, { io, choose, configFile }: CommandContext): void {
  const command = program
    .command('who-can')
    .description(
      'list the principals that are granted a subject now, by themselves or by a role, and the denials of it',
    )
    .argument('<action>', 'publish or subscribe')
    .argument('<subject>', 'with wildcards: grants that cover all that they match')
    .option('--account <name>', 'only grants in this account')
    .addHelpText('after', HELP)
  withOutput(withConfig(command)).action((action: string, subject: string, options: CommonOptions & WhoCanOptions) =>
    choose(async () => {
      const { whoCan } = await import('../who-can-command.ts')
      return whoCan(configFile(options), { action, subject }, options, io)
    }),
  )
}

const HELP = `
Looks through all grants. Who is in a group, and whether a condition holds, only a token and a connection tell: ask "callout can".
Exits with 0 when somebody is granted it, else with 1.
`
