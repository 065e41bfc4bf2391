import { Command, CommanderError } from 'commander'
import type { CommandContext } from './command-options.ts'
import { describeCommand, type CommandNode } from './command-tree.ts'
import { addAuditCommands } from './commands/audit.ts'
import { addCanCommand } from './commands/can.ts'
import { addCompletionCommand } from './commands/completion.ts'
import { addConfigCommands } from './commands/config.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addExplainCommand } from './commands/explain.ts'
import { addGrantsCommands } from './commands/grants.ts'
import { addHistoryCommands } from './commands/history.ts'
import { addKeysCommands } from './commands/keys.ts'
import { addLockCommands } from './commands/lock.ts'
import { addRolesCommands } from './commands/roles.ts'
import { addPlanCommands } from './commands/plans.ts'
import { addProposalCommands } from './commands/proposals.ts'
import { addSchemaCommands } from './commands/schema.ts'
import { addServeCommand } from './commands/serve.ts'
import { addTestCommand } from './commands/test.ts'
import { addTokenCommands } from './commands/token.ts'
import { addWhoCanCommand } from './commands/who-can.ts'
import { reportFailure } from './failure-report.ts'
import { EXIT, type CliIo } from './io.ts'
import { SERVICE_VERSION } from './version.ts'

/** Runs a command to its end; the number is its exit code. */
type Run = () => Promise<number>

/** In the order of the help. */
const GROUPS: readonly ((program: Command, context: CommandContext) => void)[] = [
  addServeCommand,
  addConfigCommands,
  addDoctorCommand,
  addSchemaCommands,
  addGrantsCommands,
  addRolesCommands,
  addLockCommands,
  addHistoryCommands,
  addAuditCommands,
  addPlanCommands,
  addProposalCommands,
  addCanCommand,
  addWhoCanCommand,
  addExplainCommand,
  addTestCommand,
  addKeysCommands,
  addTokenCommands,
  addCompletionCommand,
]

/** Pages of help are the same in a terminal of any width, in a pipe and in the documentation. */
const HELP_COLUMNS = 100

/**
 * Runs `callout` with the arguments after the command's own name and returns its exit code. Reads the environment
 * and writes through `io` only; never ends the process. Errors are reported, not thrown. Commands that speak to Spanner
 * or NATS are loaded when they are chosen: their SDKs take half a second.
 */
export async function run(argv: readonly string[], io: CliIo): Promise<number> {
  let chosen: Run | undefined
  const program = createProgram(io, (command) => {
    chosen = command
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
  try {
    return (await chosen?.()) ?? EXIT.usage
  } catch (error) {
    return reportFailure(error, io)
  }
}

/** Every command and option, for the documentation. */
export function commandTree(): CommandNode {
  const nowhere = { write: () => {} }
  return describeCommand(createProgram({ stdout: nowhere, stderr: nowhere, env: {} }, () => {}))
}

function createProgram(io: CliIo, choose: (command: Run) => void): Command {
  const program = new Command('callout')
    .description(
      'Authenticates and authorizes NATS clients: OIDC tokens in, grants from Cloud Spanner, every decision audited.',
    )
    .version(SERVICE_VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'callout: ')),
      getOutHelpWidth: () => HELP_COLUMNS,
      getErrHelpWidth: () => HELP_COLUMNS,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', PROGRAM_HELP)
  const configFile: CommandContext['configFile'] = ({ config }) =>
    config ?? (io.env['CALLOUT_CONFIG'] || 'callout.yaml')
  for (const addTo of GROUPS) addTo(program, { io, choose, configFile })
  return program
}

const PROGRAM_HELP = `
First steps:
  callout keys generate                       make keys, then include them from nats-server.conf
  callout config check --config callout.yaml  see every problem at once
  callout schema apply                        create the tables
  callout grants add --principal group:corp:orders --account APP \\
    --publish 'orders.>' --subscribe 'orders.>' --reason 'team orders, TICKET-1'
  callout serve
  callout doctor                              see what is wrong, and what to do

Exit codes:
  0  done, or yes
  1  no, refused, or failed
  2  wrong arguments or configuration; nothing was done
  3  not there, or there already
  5  a dependency did not answer; try again
  10 a plan or a comparison has changes

Environment: CALLOUT_CONFIG, NO_COLOR, SPANNER_EMULATOR_HOST, GOOGLE_APPLICATION_CREDENTIALS
`
