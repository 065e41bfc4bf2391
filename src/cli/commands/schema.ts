import type { Command } from 'commander'
import type { RetentionOptions } from '../retention-command.ts'
import {
  withConfig,
  withDryRun,
  withOutput,
  type CommandContext,
  runs,
  type CommonOptions,
  type DryRunOptions,
} from '../command-options.ts'

/** `callout schema …` */
export function addSchemaCommands(program: Command, context: CommandContext): void {
  const { io, choose, configFile } = context
  const schema = program.command('schema').description('the tables in Spanner')
  withDryRun(withConfig(schema.command('apply')))
    .description('bring the database to the schema of this release')
    .addHelpText('after', '\nSafe to repeat, and to run from several places at once. The database must exist.\n')
    .action((options: CommonOptions & DryRunOptions) =>
      choose(async () => {
        const { applySchema } = await import('../schema-command.ts')
        return applySchema(configFile(options), options, io)
      }),
    )
  withOutput(withConfig(schema.command('status')))
    .description('show which migrations are applied')
    .addHelpText('after', '\nExits with 0 when "serve" can use the schema, else with 1.\n')
    .action((options: CommonOptions) =>
      choose(async () => {
        const { showSchema } = await import('../schema-command.ts')
        return showSchema(configFile(options), options.output, io)
      }),
    )
  const retention = withOutput(withDryRun(withConfig(schema.command('retention'))))
    .description('show for how many days the rows of the audit are kept, or change it')
    .option('--days <number>', 'keep decisions for so many days, from 30 on, and what belongs to them no shorter')
    .addHelpText(
      'after',
      '\nSpanner deletes older rows in the background, mostly within 72 hours; the emulator never does.\n',
    )
  runs<[], RetentionOptions>(retention, context, async () => (await import('../retention-command.ts')).retention)
}
