import type { Command } from 'commander'
import { checkConfig } from '../config-command.ts'
import { withConfig, type CommandContext, type CommonOptions } from '../command-options.ts'

/** `callout config …` */
export function addConfigCommands(program: Command, { io, choose, configFile }: CommandContext): void {
  const config = program.command('config').description('look at the configuration')
  withConfig(config.command('check'))
    .description('report every problem of the configuration and of the files that it names')
    .addHelpText('after', '\nExits with 0 when "serve" would accept it, else with 2.\n')
    .action((options: CommonOptions) => choose(() => checkConfig(configFile(options), io)))
}
