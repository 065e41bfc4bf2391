import type { Command } from 'commander'
import {
  withConfig,
  withConnection,
  withIdentity,
  withOutput,
  type CommandContext,
  type CommonOptions,
} from '../command-options.ts'
import type { ExplainOptions } from '../explain-command.ts'

/** `callout explain` */
export function addExplainCommand(program: Command, { io, choose, configFile }: CommandContext): void {
  const command = program
    .command('explain')
    .description('say what is decided for a principal, a token or again for a row of the audit, and which rows made it')
    .argument('[principal]', 'user:<issuer>:<subject> or client:<issuer>:<client id>')
    .option('--token-file <file>', 'in place of a principal: file that holds a token; - for standard input')
    .option('--certificate-sha256 <thumbprint>', 'assume this client certificate, as in x5t#S256; with --token-file')
    .option('--decision <id>', 'in place of a principal: make this decision again on the rows of its time, then of now')
    .option(
      '--actor <name>',
      'who reads the audit; recorded with --decision (default: the user of the operating system)',
    )
    .addHelpText('after', HELP)
  withOutput(withConfig(withConnection(withIdentity(command)))).action(
    (principal: string | undefined, options: CommonOptions & ExplainOptions) =>
      choose(async () => {
        const { explain } = await import('../explain-command.ts')
        return explain(configFile(options), principal, options, io)
      }),
  )
}

const HELP = `
Exits with 0 when allowed, 1 when refused; with --decision 0 when the record says what is decided again, 1 when it does not or when
nothing can be decided again, as grants had no part in it; 3 when there is no such decision, or the time is not known any more.
Accounts and lengths of sessions are those of this configuration. With --decision, --at is compared with in place of now.

Examples:
  callout explain user:corp:alice --group engineering
  callout explain --token-file token.jwt --address 10.1.2.3
  callout explain --decision 018bcfe5-6800-7000-8000-000000000001
  callout explain user:corp:alice --at=-2h
`
