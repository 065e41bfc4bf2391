import type { Command } from 'commander'
import type { CanOptions } from '../can-command.ts'
import {
  withConfig,
  withConnection,
  withIdentity,
  withOutput,
  type CommandContext,
  type CommonOptions,
} from '../command-options.ts'

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
    .addHelpText('after', HELP)
  withOutput(withConfig(withConnection(withIdentity(can)))).action(
    (principal: string, action: string, subject: string, options: CommonOptions & CanOptions) =>
      choose(async () => {
        const { can: answer } = await import('../can-command.ts')
        return answer(configFile(options), { principal, action, subject }, options, io)
      }),
  )
}

const HELP = `
Decides as the service does, on the grants and locks of this moment, for a token that lasts as long as any session may.
Exits with 0 for yes, 1 for no and for a part only, 3 when the time of --at is not known any more.

Examples:
  callout can user:corp:alice publish orders.new --group engineering
  callout can client:corp:billing subscribe 'orders.>' --queue workers --account APP
`
