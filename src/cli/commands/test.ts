import type { Command } from 'commander'
import { collected, withConfig, withOutput, type CommandContext, type CommonOptions } from '../command-options.ts'
import type { TestOptions } from '../test-command.ts'

/** `callout test` */
export function addTestCommand(program: Command, { io, choose, configFile }: CommandContext): void {
  const command = program
    .command('test')
    .description('test whether clients are allowed and denied what a file expects')
    .argument('<file>', 'YAML; - for standard input')
    .option(
      '--documents <file>',
      'by documents in place of the database; a folder for all in it; may be repeated',
      collected,
    )
    .option('--junit <file>', 'write the results as JUnit XML, for continuous integration')
    .addHelpText('after', HELP)
  withOutput(withConfig(command)).action((file: string, options: CommonOptions & TestOptions) =>
    choose(async () => {
      const { testPermissions } = await import('../test-command.ts')
      return testPermissions(configFile(options), file, options, io)
    }),
  )
}

const HELP = `
Decides as the service does. A subject of which only a part is allowed is neither as expected. Shows people what is not as
expected, programs everything. Exits with 0 when all is as expected, else with 1.
`
