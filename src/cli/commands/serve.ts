import type { Command } from 'commander'
import { withConfig, type CommandContext, type CommonOptions } from '../command-options.ts'

/** The service itself. */
export function addServeCommand(program: Command, { io, choose, configFile }: CommandContext): void {
  withConfig(program.command('serve'))
    .description('answer authorization requests until SIGTERM or SIGINT')
    .action((options: CommonOptions) =>
      choose(async () => {
        const { serve } = await import('../serve.ts')
        return serve({ configFile: configFile(options) }, io)
      }),
    )
}
