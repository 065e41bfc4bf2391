import type { Command } from 'commander'

/** A command or a group of commands, as completion and documentation see it. */
export interface CommandNode {
  /** Names from the program on, without its own: `['grants', 'add']`. */
  readonly path: readonly string[]
  readonly description: string
  readonly commands: readonly CommandNode[]
  readonly options: readonly OptionNode[]
  /** Choices of the first argument; empty when it may be anything, or there is none. */
  readonly choices: readonly string[]
}

export interface OptionNode {
  readonly flag: string
  readonly description: string
  readonly takesValue: boolean
  /** Empty when the value may be anything. */
  readonly choices: readonly string[]
  readonly takesPath: boolean
}

/** Describes a command and all below it. */
export function describeCommand(command: Command, path: readonly string[] = []): CommandNode {
  return {
    path,
    description: command.description(),
    commands: command.commands.map((child) => describeCommand(child, [...path, child.name()])),
    options: command.createHelp().visibleOptions(command).map(describeOption),
    choices: command.registeredArguments[0]?.argChoices ?? [],
  }
}

/** The node itself and every one below it, in the order of the help. */
export function allNodes(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(allNodes)]
}

function describeOption(option: ReturnType<Command['createOption']>): OptionNode {
  const { long, short, description, argChoices, required, optional, flags } = option
  return {
    flag: long ?? short ?? '',
    description,
    takesValue: required || optional,
    choices: argChoices ?? [],
    takesPath: /<(?:file|folder)>/.test(flags),
  }
}
