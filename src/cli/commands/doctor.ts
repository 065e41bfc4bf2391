import type { Command } from 'commander'
import { runs, withConfig, withOutput, type CommandContext } from '../command-options.ts'

/** `callout doctor` */
export function addDoctorCommand(program: Command, context: CommandContext): void {
  const doctor = program
    .command('doctor')
    .description('look at the whole deployment from outside in, and say what is wrong and what to do')
    .option('--strict', 'exit with 1 on warnings too')
    .addHelpText('after', DOCTOR_HELP)
  runs(withOutput(withConfig(doctor)), context, async () => (await import('../doctor-command.ts')).examine)
}

const DOCTOR_HELP = `
Changes nothing and shows no secret. It connects to each server a few times as a client without credentials: a service
that runs refuses it and records that. Without nats.system it cannot look at members, limits and connections, and says so.
Exits with 0 when nothing failed, 1 when something did, 2 when the configuration is wrong.
`
