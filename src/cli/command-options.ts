import { Option, type Command } from 'commander'
import { CONNECTION_TYPES, TLS_REQUIREMENTS } from '../core/connection-condition.ts'
import type { CliIo } from './io.ts'
import { OUTPUT_FORMATS, type OutputFormat } from './output.ts'

/** What a group of commands needs of the program that it joins. */
export interface CommandContext {
  readonly io: CliIo
  /** Names the work of the command that was called; it runs, and its failures are reported, once the arguments are read. */
  readonly choose: (run: () => Promise<number>) => void
  /** The configuration that the options or the environment name. */
  readonly configFile: (options: { readonly config?: string }) => string
}

export interface CommonOptions {
  readonly config?: string
  readonly output: OutputFormat
}

/** Of every command that edits policy. */
export interface EditOptions extends DryRunOptions {
  readonly reason: string
  readonly actor?: string
}

export interface DryRunOptions {
  readonly dryRun?: boolean
}

export function withConfig(command: Command): Command {
  return command.option('--config <file>', 'configuration (default: CALLOUT_CONFIG, else callout.yaml)')
}

export function withOutput(command: Command): Command {
  return command.addOption(
    new Option('--output <format>', 'for people or for programs').choices(OUTPUT_FORMATS).default('table'),
  )
}

/** What is assumed of the identity of a client, where no token says it. */
export function withIdentity(command: Command): Command {
  return command
    .option('--group <name>', 'a group of its token; may be repeated', collected)
    .option('--attribute <name=value>', 'what a variable stands for; may be repeated', collected)
}

/** What is assumed of the connection of a client, and the time that is looked at. */
export function withConnection(command: Command): Command {
  return command
    .option('--account <name>', 'the user name that the client sends, where grants lie in several accounts')
    .option('--address <ip>', 'where it comes from; without, a condition on the address does not hold')
    .addOption(new Option('--connection-type <type>', 'how it comes').choices(CONNECTION_TYPES).default('STANDARD'))
    .addOption(
      new Option('--tls <what>', 'over TLS; "mutual" with a verified client certificate').choices(TLS_REQUIREMENTS),
    )
    .option('--at <time>', 'in place of now; RFC 3339 with zone, or -24h from now')
}

/** Every command that edits policy says who and why, and can be tried. */
export function withEdit(command: Command): Command {
  return withDryRun(command)
    .requiredOption('--reason <text>', 'why; stored with the change')
    .option('--actor <name>', 'who; stored with the change (default: the user of the operating system)')
}

/** What a command does with its configuration, its arguments and its options; returns the exit code. */
type Run<Arguments extends readonly unknown[], Options> = (
  configFile: string,
  ...call: [...Arguments, Options, CliIo]
) => Promise<number>

/**
 * Runs what `load` brings when the command is called. It is imported only then, so that no command waits for the modules of
 * another. `Arguments` and `Options` have to be those that the command declares: commander gives them untyped.
 */
export function runs<Arguments extends readonly unknown[], Options>(
  command: Command,
  { io, choose, configFile }: CommandContext,
  load: () => Promise<Run<Arguments, Options>>,
): void {
  command.action((...called: unknown[]) => {
    // The command itself comes last.
    const call = called.slice(0, -1) as [...Arguments, Options & { readonly config?: string }]
    const options = call.at(-1) as { readonly config?: string }
    choose(async () => {
      const run = await load()
      return run(configFile(options), ...call, io)
    })
  })
}

export function withDryRun(command: Command): Command {
  return command.option('--dry-run', 'show what would be done, and do nothing')
}

/** Reads an option that may be repeated. */
export function collected(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}
