import type { Command } from 'commander'
import type { ReaderOptions } from '../audit-access.ts'
import type { AuditKeyOptions, KeyChoice, VerifyOptions } from '../audit-evidence-command.ts'
import { withConfig, withOutput, type CommandContext, type CommonOptions } from '../command-options.ts'

/** The commands of `callout audit` by which others can trust it. */
export function addAuditEvidenceCommands(audit: Command, { io, choose, configFile }: CommandContext): void {
  audit
    .command('key')
    .description('make a key that signs the audit, and print what checks its signatures')
    .requiredOption('--name <name>', 'whose audit it is, such as callout.example/audit; it is in every signature')
    .option('--out <file>', 'where to write it, mode 0600', 'secrets/audit.key')
    .option('--force', 'replace the file that is there; what it signed is checked with the line that was printed then')
    .action((options: AuditKeyOptions) =>
      choose(async () => {
        const { makeAuditKey } = await import('../audit-evidence-command.ts')
        return makeAuditKey(options, io)
      }),
    )
  const verify = withKey(audit.command('verify'))
    .description('find rows that were changed, taken away, added or moved since they were written')
    .option('--from <time>', 'decided not before; RFC 3339 with zone, or -24h from now', '-24h')
    .option('--to <time>', 'decided not later; RFC 3339 with zone, or -1h from now')
    .option('--checkpoints <file>', 'what was signed, kept elsewhere: the file of audit.checkpoints.file, or a log')
    .addHelpText('after', VERIFY_HELP)
  withOutput(withConfig(verify)).action((options: CommonOptions & VerifyOptions) =>
    choose(async () => {
      const command = await import('../audit-evidence-command.ts')
      return command.verify(configFile(options), options, io)
    }),
  )
  const prove = withKey(audit.command('prove'))
    .description('print what a third party needs to check one decision, as JSON')
    .argument('<id>', 'of the decision')
  withConfig(prove).action((id: string, options: CommonOptions & KeyChoice & ReaderOptions) =>
    choose(async () => {
      const command = await import('../audit-evidence-command.ts')
      return command.prove(configFile(options), id, options, io)
    }),
  )
}

function withKey(command: Command): Command {
  return command
    .option('--verifier-key <keys...>', 'as "audit key" printed it (default: that of audit.checkpoints.key_file)')
    .option('--actor <name>', 'who reads; recorded (default: the user of the operating system)')
}

const VERIFY_HELP = `
Exits with 2 when something was changed, and with 0 when nothing was. Without --checkpoints it cannot tell that the newest rows
and what was signed of them were taken away together.
`
