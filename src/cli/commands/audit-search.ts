import { Option, type Command } from 'commander'
import type { AuditRange, AuditSelection } from '../audit-filter.ts'
import type { ReaderOptions } from '../audit-access.ts'
import type { SearchOptions, StatsOptions, TailOptions } from '../audit-search-command.ts'
import { withConfig, withOutput, type CommandContext, type CommonOptions } from '../command-options.ts'
import { STREAM_FORMATS, type StreamFormat } from '../output.ts'

/** The commands of `callout audit` that read it. That somebody did is recorded in it. */
export function addAuditSearchCommands(audit: Command, context: CommandContext): void {
  addSearch(audit, context)
  addShow(audit, context)
  addTail(audit, context)
  addStats(audit, context)
  addReads(audit, context)
}

function addSearch(audit: Command, { io, choose, configFile }: CommandContext): void {
  const search = withFilter(withRange(audit.command('search'), '-24h'))
    .description('list decisions, newest first')
    .option('--limit <number>', 'at most so many', '100')
    .option('--cursor <cursor>', 'go on behind the last decision of a page, whose search has shown it')
    .addHelpText('after', SEARCH_HELP)
  withReader(search).action((options: CommonOptions & SearchOptions) =>
    choose(async () => {
      const command = await import('../audit-search-command.ts')
      return command.searchAudit(configFile(options), options, io)
    }),
  )
}

function addShow(audit: Command, { io, choose, configFile }: CommandContext): void {
  const show = audit
    .command('show')
    .description('show everything that is stored of one decision')
    .argument('<decision>', 'the id that clients, logs and "search" show')
  withReader(show).action((id: string, options: CommonOptions & ReaderOptions) =>
    choose(async () => {
      const command = await import('../audit-search-command.ts')
      return command.showDecision(configFile(options), id, options, io)
    }),
  )
}

function addTail(audit: Command, { io, choose, configFile }: CommandContext): void {
  const tail = withFilter(withRange(audit.command('tail'), '-1h'))
    .description('show the newest decisions, the newest last, and those to come')
    .option('--limit <number>', 'at most so many of the past', '20')
    .option('--follow', 'go on with each decision that becomes readable, until Ctrl-C')
    .addOption(new Option('--output <format>', 'for people or for programs').choices(STREAM_FORMATS).default('table'))
    .addHelpText('after', TAIL_HELP)
  withActor(withConfig(tail)).action((options: CommonOptions & TailOptions & { readonly output: StreamFormat }) =>
    choose(async () => {
      const [command, { untilInterrupted }] = await Promise.all([
        import('../audit-search-command.ts'),
        import('../interrupt.ts'),
      ])
      return untilInterrupted((signal) => command.tailAudit(configFile(options), options, io, signal))
    }),
  )
}

function addStats(audit: Command, { io, choose, configFile }: CommandContext): void {
  const stats = withRange(audit.command('stats'), '-1h')
    .description('count decisions by outcome, reason, account and issuer')
    .option('--limit <number>', 'look at no more rows than so many, the newest', '1000000')
  withReader(stats).action((options: CommonOptions & StatsOptions) =>
    choose(async () => {
      const command = await import('../audit-search-command.ts')
      return command.countAudit(configFile(options), options, io)
    }),
  )
}

function addReads(audit: Command, { io, choose, configFile }: CommandContext): void {
  const reads = withRange(audit.command('reads'), '-24h')
    .description('list who read the audit by these commands, newest first')
    .option('--limit <number>', 'at most so many', '100')
  withReader(reads).action((options: CommonOptions & AuditRange & ReaderOptions & { readonly limit: string }) =>
    choose(async () => {
      const command = await import('../audit-search-command.ts')
      return command.showReads(configFile(options), options, io)
    }),
  )
}

function withRange(command: Command, since: string): Command {
  return command
    .option('--since <time>', 'not before; RFC 3339 with zone, or -24h from now', since)
    .option('--until <time>', 'before; RFC 3339 with zone, or -24h from now')
}

/** An option for each part of `AuditSelection`. */
export function withFilter(command: Command): Command {
  const parts: Readonly<
    Record<Exclude<keyof AuditSelection, keyof AuditRange | 'outcome'>, readonly [string, string]>
  > = {
    principal: ['--principal <principal>', 'only of this user:<issuer>:<subject> or client:<issuer>:<client id>'],
    issuer: ['--issuer <issuer>', 'only of this issuer: its id in the configuration, or the iss of its tokens'],
    reason: ['--reason <reason>', 'only refusals for this reason'],
    account: ['--account <name>', 'only admissions to this account'],
    subject: ['--subject <subject>', 'only with this sub in the token, accepted or not'],
    grant: ['--grant <id>', 'only admissions by this grant'],
    address: ['--address <ip>', 'only from this address'],
    server: ['--server <name>', 'only to this nats-server'],
    tokenId: ['--token-id <jti>', 'only with this token'],
  }
  for (const [flags, description] of Object.values(parts)) command.option(flags, description)
  return command.addOption(new Option('--outcome <outcome>', 'only these').choices(['allow', 'deny']))
}

function withReader(command: Command): Command {
  return withActor(withOutput(withConfig(command)))
}

export function withActor(command: Command): Command {
  return command.option('--actor <name>', 'who reads; recorded (default: the user of the operating system)')
}

const SEARCH_HELP = `
Says on standard error, and in the member "next" of JSON and YAML, where the next page begins. CSV has every column.

Examples:
  callout audit search --principal user:corp:alice --since -720h
  callout audit search --reason locked --server n1 --output csv
`

const TAIL_HELP = `
A row becomes readable up to some seconds after its decision. One that a service kept on its disk through an outage is shown when it
comes, if --since does not exclude it. Any other that takes longer than 30 seconds is not shown here; "search" finds it. Ctrl-C ends with 0. With
--follow an outage of the store is waited out, and told on standard error.
`
