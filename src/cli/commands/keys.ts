import type { Command } from 'commander'
import { withDryRun, withOutput, type CommandContext } from '../command-options.ts'
import { usageFailure } from '../io.ts'
import { generateKeys, type KeysOptions } from '../keys-command.ts'

/** `callout keys …` */
export function addKeysCommands(program: Command, { io, choose }: CommandContext): void {
  const keys = program.command('keys').description('seeds and passwords')
  withDryRun(withOutput(keys.command('generate')))
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
        const { generateOperatorKeys } = await import('../operator-keys-command.ts')
        return generateOperatorKeys(options, io)
      }),
    )
}

const KEYS_HELP = `
Writes issuer.nk, xkey.nk, auth.password, sys.password and nats-server.keys.conf.

With --operator: issuer.nk, xkey.nk, service.creds, service-system.creds and account-<name>.nk for the service,
nats-server.jwts.conf for nats-server, sys.creds for administrators, sentinel.creds for clients that bring their own, and a folder "offline"
with the identities of operator and accounts, which no running process needs.
`
