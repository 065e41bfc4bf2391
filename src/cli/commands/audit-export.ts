import { Option, type Command } from 'commander'
import type { ExportOptions } from '../audit-export-command.ts'
import { withConfig, type CommandContext } from '../command-options.ts'
import { EXPORT_FORMATS, EXPORT_KINDS } from '../output.ts'
import { withActor, withFilter } from './audit-search.ts'

/** `callout audit export`. That somebody did is recorded in the audit. */
export function addAuditExportCommand(audit: Command, { io, choose, configFile }: CommandContext): void {
  const exporting = withFilter(
    audit
      .command('export')
      .description('write all decisions or changes of policy, oldest first, for collectors and auditors')
      .addOption(new Option('--kind <kind>', 'of what').choices(EXPORT_KINDS).default('decisions'))
      .addOption(new Option('--format <format>', 'how').choices(EXPORT_FORMATS).default('jsonl'))
      .option('--from <time>', 'not before; RFC 3339 with zone, or -24h from now', '-24h')
      .option('--to <time>', 'before; RFC 3339 with zone, or -24h from now'),
  )
    .option('--cursor <file>', 'go on behind what is written by the cursor in this file, and keep it there')
    .option('--follow', 'go on with all that becomes readable, until Ctrl-C or SIGTERM')
    .addHelpText('after', HELP)
  withActor(withConfig(exporting)).action((options: ExportOptions & { readonly config?: string }) =>
    choose(async () => {
      const [command, { untilInterrupted }] = await Promise.all([
        import('../audit-export-command.ts'),
        import('../interrupt.ts'),
      ])
      const file = configFile(options)
      if (options.follow !== true) return command.exportAudit(file, options, io)
      return untilInterrupted((signal) => command.exportAudit(file, options, io, signal))
    }),
  )
}

const HELP = `
With --cursor an export that was ended in any way goes on without a gap when the same command is run again: a row may come twice,
none is left out. The range is then that of the first run. A row that a service kept on its disk through an outage is exported once the
service brings it, however late; any other row that becomes readable more than an hour after its decision, as when the clock of a
service is wrong, is not exported by an export that has come further. With --follow an outage of the store is waited out, and told on standard error.

--kind grants is the history of grants, roles, bindings and locks, and takes --principal and --grant of the filters.

Examples:
  callout audit export --from 2027-01-01T00:00:00Z --to 2027-02-01T00:00:00Z --format csv > january.csv
  callout audit export --from -720h --format ocsf --cursor ocsf.cursor --follow | collector
`
