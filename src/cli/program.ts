import { Command, CommanderError, Option } from 'commander'
import { TLS_REQUIREMENTS } from '../core/connection-condition.ts'
import { checkConfig } from './config-command.ts'
import type { DoctorOptions } from './doctor-command.ts'
import { reportFailure } from './failure-report.ts'
import type { GrantOptions, GrantSelection } from './grant-input.ts'
import { EXIT, usageFailure, type CliIo } from './io.ts'
import { generateKeys, type KeysOptions } from './keys-command.ts'
import type { OutputFormat } from './table.ts'
import type { ExplainOptions } from './token-command.ts'
import { SERVICE_VERSION } from './version.ts'

/** Runs a command to its end; the number is its exit code. */
type Run = () => Promise<number>

interface CommonOptions {
  readonly config?: string
  readonly output: OutputFormat
}

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
  const configFile = ({ config }: { readonly config?: string }): string =>
    config ?? (io.env['CALLOUT_CONFIG'] || 'callout.yaml')

  withConfig(program.command('serve'))
    .description('answer authorization requests until SIGTERM or SIGINT')
    .action((options) =>
      choose(async () => {
        const { serve } = await import('./serve.ts')
        return serve({ configFile: configFile(options) }, io)
      }),
    )
  addConfigCommands(program, (options) => choose(() => checkConfig(configFile(options), io)))
  addDoctorCommand(program, configFile, io, choose)
  addSchemaCommands(program, configFile, io, choose)
  addGrantsCommands(program, configFile, io, choose)
  addKeysCommands(program, io, choose)
  addTokenCommands(program, configFile, io, choose)
  return program
}

type ConfigFileOf = (options: { readonly config?: string }) => string

function withConfig(command: Command): Command {
  return command.option('--config <file>', 'configuration (default: CALLOUT_CONFIG, else callout.yaml)')
}

function withOutput(command: Command): Command {
  return command.addOption(
    new Option('--output <format>', 'for people or for programs').choices(['table', 'json']).default('table'),
  )
}

function withActor(command: Command): Command {
  return command
    .requiredOption('--reason <text>', 'why; stored with the change')
    .option('--actor <name>', 'who; stored with the change (default: the user of the operating system)')
}

function addConfigCommands(program: Command, check: (options: { readonly config?: string }) => void): void {
  const config = program.command('config').description('look at the configuration')
  withConfig(config.command('check'))
    .description('report every problem of the configuration and of the files that it names')
    .addHelpText('after', '\nExits with 0 when "serve" would accept it, else with 2.\n')
    .action(check)
}

function addDoctorCommand(program: Command, configFile: ConfigFileOf, io: CliIo, choose: (command: Run) => void): void {
  const doctor = program
    .command('doctor')
    .description('look at the whole deployment from outside in, and say what is wrong and what to do')
    .option('--strict', 'exit with 1 on warnings too')
    .addHelpText('after', DOCTOR_HELP)
  withOutput(withConfig(doctor)).action((options: CommonOptions & DoctorOptions) =>
    choose(async () => {
      const { examine } = await import('./doctor-command.ts')
      return examine(configFile(options), options, io)
    }),
  )
}

function addSchemaCommands(
  program: Command,
  configFile: ConfigFileOf,
  io: CliIo,
  choose: (command: Run) => void,
): void {
  const schema = program.command('schema').description('the tables in Spanner')
  withConfig(schema.command('apply'))
    .description('bring the database to the schema of this release')
    .addHelpText('after', '\nSafe to repeat, and to run from several places at once. The database must exist.\n')
    .action((options: CommonOptions) =>
      choose(async () => {
        const { applySchema } = await import('./schema-command.ts')
        return applySchema(configFile(options), io)
      }),
    )
  withOutput(withConfig(schema.command('status')))
    .description('show which migrations are applied')
    .addHelpText('after', '\nExits with 0 when "serve" can use the schema, else with 1.\n')
    .action((options: CommonOptions) =>
      choose(async () => {
        const { showSchema } = await import('./schema-command.ts')
        return showSchema(configFile(options), options.output, io)
      }),
    )
}

function addGrantsCommands(
  program: Command,
  configFile: ConfigFileOf,
  io: CliIo,
  choose: (command: Run) => void,
): void {
  const grants = program.command('grants').description('who may publish and subscribe to what')
  const add = grants
    .command('add')
    .description('add a grant for each subject, all or none')
    .requiredOption(
      '--principal <principal>',
      'user:<issuer>:<subject>, client:…, group:…, issuer:<issuer> or role:<name>',
    )
    .requiredOption('--account <name>', 'NATS account')
    .option('--publish <subject>', 'may publish to this subject; may be repeated', collected)
    .option('--subscribe <subject>', 'may subscribe to this subject; may be repeated', collected)
    .option('--queue <group>', 'only as a member of this queue group; with --subscribe')
    .option('--deny', 'may not, instead of may; a denial beats every grant')
    .option('--from <time>', 'not before; RFC 3339 with zone, or +12h from now')
    .option('--until <time>', 'not after; RFC 3339 with zone, or +12h from now')
    .option(
      '--connection-type <type>',
      'only on such a connection: STANDARD, WEBSOCKET, LEAFNODE or MQTT; may be repeated',
      collected,
    )
    .option('--source-cidr <block>', 'only from these addresses, such as 10.0.0.0/8; may be repeated', collected)
    .addOption(
      new Option('--tls <what>', 'only over TLS; "mutual" with a verified client certificate').choices(
        TLS_REQUIREMENTS,
      ),
    )
    .addHelpText('after', ADD_HELP)
  withOutput(withConfig(withActor(add))).action((options: CommonOptions & GrantOptions) =>
    choose(async () => {
      const { addGrants } = await import('./grants-command.ts')
      return addGrants(configFile(options), options, io)
    }),
  )
  const list = grants
    .command('list')
    .description('list grants by principal')
    .option('--principal <principal>', 'only of this principal')
    .option('--account <name>', 'only in this account')
    .option('--subject <subject>', 'only grants that match this subject; a {{variable}} may be anything')
  withOutput(withConfig(list)).action((options: CommonOptions & GrantSelection) =>
    choose(async () => {
      const { listGrants } = await import('./grants-command.ts')
      return listGrants(configFile(options), options, io)
    }),
  )
  const remove = grants
    .command('remove')
    .description('remove a grant; who and why stays in the history')
    .argument('<id>', 'as "grants list" shows it')
  withOutput(withConfig(withActor(remove))).action(
    (id: string, options: CommonOptions & { readonly reason: string; readonly actor?: string }) =>
      choose(async () => {
        const { removeGrant } = await import('./grants-command.ts')
        return removeGrant(configFile(options), id, options, io)
      }),
  )
}

function collected(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

function addKeysCommands(program: Command, io: CliIo, choose: (command: Run) => void): void {
  const keys = program.command('keys').description('seeds and passwords')
  withOutput(keys.command('generate'))
    .description('make issuer, xkey and passwords, and print what nats-server.conf needs')
    .option('--dir <folder>', 'where to write them, mode 0600', 'secrets')
    .option('--force', 'replace files that are there; clients are locked out until nats-server has the new ones')
    .option('--operator', 'for a nats-server in operator mode: all of its keys, JWTs and creds as well')
    .option('--accounts <names>', 'with --operator: accounts of the clients, separated by commas (default: APP,OPS)')
    .addHelpText('after', KEYS_HELP)
    .action((options: KeysOptions & { readonly operator?: boolean; readonly accounts?: string }) =>
      choose(async () => {
        if (options.operator !== true) {
          if (options.accounts !== undefined) throw usageFailure('--accounts goes with --operator')
          return generateKeys(options, io)
        }
        const { generateOperatorKeys } = await import('./operator-keys-command.ts')
        return generateOperatorKeys(options, io)
      }),
    )
}

function addTokenCommands(program: Command, configFile: ConfigFileOf, io: CliIo, choose: (command: Run) => void): void {
  const token = program.command('token').description('look at tokens')
  const explain = token
    .command('explain')
    .description('verify a token with this configuration and say what it stands for; never shows the token')
    .requiredOption('--token-file <file>', 'file that holds the token; - for standard input')
    .option('--certificate-sha256 <thumbprint>', 'assume this client certificate, as in x5t#S256')
    .addHelpText(
      'after',
      '\nExits with 0 when the token is accepted, 1 when refused, 5 when its issuer does not answer.\n',
    )
  withOutput(withConfig(explain)).action((options: CommonOptions & ExplainOptions) =>
    choose(async () => {
      const { explainToken } = await import('./token-command.ts')
      return explainToken(configFile(options), options, io)
    }),
  )
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

Environment: CALLOUT_CONFIG, NO_COLOR, SPANNER_EMULATOR_HOST, GOOGLE_APPLICATION_CREDENTIALS
`

const KEYS_HELP = `
Writes issuer.nk, xkey.nk, auth.password, sys.password and nats-server.keys.conf.

With --operator: issuer.nk, xkey.nk, service.creds, service-system.creds and account-<name>.nk for the service,
nats-server.jwts.conf for nats-server, sys.creds for administrators, sentinel.creds for clients that bring their own, and a folder "offline"
with the identities of operator and accounts, which no running process needs.
`

const DOCTOR_HELP = `
Changes nothing and shows no secret. It connects to each server a few times as a client without credentials: a service
that runs refuses it and records that. Without nats.system it cannot look at members, limits and connections, and says so.
Exits with 0 when nothing failed, 1 when something did, 2 when the configuration is wrong.
`

const ADD_HELP = `
Subjects are those of NATS: tokens between dots, "*" for one token, ">" for the rest. {{subject}}, {{issuer}},
{{client_id}} and the attributes of the issuer entry stand for one token of the client's identity.

Examples:
  callout grants add --principal user:corp:alice --account APP \\
    --publish 'orders.{{subject}}.>' --subscribe '_INBOX.>' --reason 'TICKET-1'
  callout grants add --principal client:corp:billing --account APP \\
    --subscribe 'orders.*' --queue billing --until +720h --reason 'trial'
  callout grants add --principal issuer:corp --account APP --deny --publish 'admin.>' --reason 'nobody by token'
`
