import { Option, type Command } from 'commander'
import { CONNECTION_TYPES, TLS_REQUIREMENTS } from '../../core/connection-condition.ts'
import type { CanOptions } from '../can-command.ts'
import { collected, withConfig, withOutput, type CommandContext, type CommonOptions } from '../command-options.ts'

/** `callout can` */
export function addCanCommand(program: Command, { io, choose, configFile }: CommandContext): void {
  const can = program
    .command('can')
    .description(
      'say whether a principal would get in now and may publish or subscribe to a subject, and by which grants',
    )
    .argument('<principal>', 'user:<issuer>:<subject> or client:<issuer>:<client id>')
    .argument('<action>', 'publish or subscribe')
    .argument('<subject>', 'with wildcards: all that they match')
    .option('--queue <group>', 'as a member of this queue group; with subscribe')
    .option('--account <name>', 'the user name that the client sends, where grants lie in several accounts')
    .option('--group <name>', 'a group of its token; may be repeated', collected)
    .option('--attribute <name=value>', 'what a variable stands for; may be repeated', collected)
    .option('--address <ip>', 'where it comes from; without, a condition on the address does not hold')
    .addOption(new Option('--connection-type <type>', 'how it comes').choices(CONNECTION_TYPES).default('STANDARD'))
    .addOption(
      new Option('--tls <what>', 'over TLS; "mutual" with a verified client certificate').choices(TLS_REQUIREMENTS),
    )
    .addHelpText('after', HELP)
  withOutput(withConfig(can)).action(
    (principal: string, action: string, subject: string, options: CommonOptions & CanOptions) =>
      choose(async () => {
        const { can: answer } = await import('../can-command.ts')
        return answer(configFile(options), { principal, action, subject }, options, io)
      }),
  )
}

const HELP = `
Decides as the service does, on the grants and locks of this moment, for a token that lasts as long as any session may.
Exits with 0 for yes, 1 for no and for a part only.

Examples:
  callout can user:corp:alice publish orders.new --group engineering
  callout can client:corp:billing subscribe 'orders.>' --queue workers --account APP
`
