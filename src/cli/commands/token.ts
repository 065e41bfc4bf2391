import type { Command } from 'commander'
import { withConfig, withOutput, type CommandContext, type CommonOptions } from '../command-options.ts'
import type { ExplainTokenOptions } from '../token-command.ts'

/** `callout token …` */
export function addTokenCommands(program: Command, { io, choose, configFile }: CommandContext): void {
  const token = program.command('token').description('look at tokens')
  const explain = token
    .command('explain')
    .description('verify a token with this configuration and say what it stands for; never shows the token')
    .requiredOption('--token-file <file>', 'file that holds the token; - for standard input')
    .option('--certificate-sha256 <thumbprint>', 'assume this client certificate, as in x5t#S256')
    .addHelpText(
      'after',
      '\nExits with 0 when the token is accepted, 1 when refused, 5 when its issuer does not answer.\n',
    )
  withOutput(withConfig(explain)).action((options: CommonOptions & ExplainTokenOptions) =>
    choose(async () => {
      const { explainToken } = await import('../token-command.ts')
      return explainToken(configFile(options), options, io)
    }),
  )
}
