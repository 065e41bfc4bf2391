import { Argument, type Command } from 'commander'
import type { CommandContext } from '../command-options.ts'
import { describeCommand } from '../command-tree.ts'
import { completionScript, SHELLS, type Shell } from '../completion.ts'
import { EXIT } from '../io.ts'

/** `callout completion` */
export function addCompletionCommand(program: Command, { io, choose }: CommandContext): void {
  program
    .command('completion')
    .description('print the script that completes commands, options and their values in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', COMPLETION_HELP)
    .action((shell: Shell) =>
      choose(async () => {
        io.stdout.write(completionScript(shell, describeCommand(program)))
        return EXIT.ok
      }),
    )
}

const COMPLETION_HELP = `
For one shell:
  source <(callout completion bash)
  source <(callout completion zsh)      after "autoload -U compinit; compinit"
  callout completion fish | source
For every shell to come, write the script to where the shell looks: /etc/bash_completion.d/callout,
_callout in a folder of $fpath, or ~/.config/fish/completions/callout.fish.
`
