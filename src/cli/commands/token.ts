import type { Command } from 'commander'
import { runs, withConfig, withOutput, type CommandContext } from '../command-options.ts'

/** `callout token …` */
export function addTokenCommands(program: Command, context: CommandContext): void {
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
  runs(withOutput(withConfig(explain)), context, async () => (await import('../token-command.ts')).explainToken)
}
