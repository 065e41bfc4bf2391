import { Option, type Command } from 'commander'
import { TLS_REQUIREMENTS } from '../../core/connection-condition.ts'
import { collected, runs, withConfig, withEdit, withOutput, type CommandContext } from '../command-options.ts'

/** `callout grants …` */
export function addGrantsCommands(program: Command, context: CommandContext): void {
  const grants = program.command('grants').description('who may publish and subscribe to what')
  const add = grants
    .command('add')
    .description('add a grant for each subject and action, all or none')
    .requiredOption(
      '--principal <principal>',
      'user:<issuer>:<subject>, client:…, group:…, issuer:<issuer> or role:<name>',
    )
    .requiredOption('--account <name>', 'NATS account')
    .option('--publish <subject>', 'may publish to this subject; may be repeated', collected)
    .option('--subscribe <subject>', 'may subscribe to this subject; may be repeated', collected)
    .option(
      '--allow <action>',
      'may do this with a stream, consumer, bucket or service, such as "stream:read ORDERS"; may be repeated',
      collected,
    )
    .option('--queue <group>', 'only as a member of this queue group; with --subscribe')
    .option('--deny', 'may not, instead of may; a denial beats every grant')
    .option('--response-max <count>', 'may answer what it receives so many times; with --subscribe or service:offer')
    .option('--response-ttl <duration>', 'and no later than this, such as 30s (default: one answer, within 2m)')
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
    .option('--force', 'also a subject that reaches everything, $SYS or the JetStream API; the grant is marked')
    .addHelpText('after', ADD_HELP)
  runs(withOutput(withConfig(withEdit(add))), context, async () => (await import('../grants-command.ts')).addGrants)
  const list = grants
    .command('list')
    .description('list grants by principal')
    .option('--principal <principal>', 'only of this principal')
    .option('--account <name>', 'only in this account')
    .option('--subject <subject>', 'only grants that match this subject; a {{variable}} may be anything')
  runs(withOutput(withConfig(list)), context, async () => (await import('../grants-command.ts')).listGrants)
  const remove = grants
    .command('remove')
    .description('remove a grant; who and why stays in the history')
    .argument('<id>', 'as "grants list" shows it')
  runs(
    withOutput(withConfig(withEdit(remove))),
    context,
    async () => (await import('../grants-command.ts')).removeGrant,
  )
}

const ADD_HELP = `
Subjects are those of NATS: tokens between dots, "*" for one token, ">" for the rest. {{subject}}, {{issuer}},
{{client_id}} and the attributes of the issuer entry stand for one token of the client's identity.

Actions are stream:read, stream:write, stream:manage STREAM, consumer:use STREAM/CONSUMER, kv:read, kv:write BUCKET,
object:read, object:write BUCKET, service:call, service:offer SERVICE. {{subject}} and its like may stand for a whole name.

Examples:
  callout grants add --principal user:corp:alice --account APP \\
    --publish 'orders.{{subject}}.>' --subscribe '_INBOX.>' --reason 'TICKET-1'
  callout grants add --principal client:corp:billing --account APP \\
    --subscribe 'orders.*' --queue billing --until +720h --reason 'trial'
  callout grants add --principal client:corp:billing --account APP \\
    --allow 'consumer:use ORDERS/billing' --allow 'kv:write invoices' --reason 'TICKET-2'
  callout grants add --principal issuer:corp --account APP --deny --publish 'admin.>' --reason 'nobody by token'
`
