import type { Command } from 'commander'
import { withConfig, withOutput, type CommandContext, type CommonOptions } from '../command-options.ts'
import type { DoctorOptions } from '../doctor-command.ts'

/** `callout doctor` */
export function addDoctorCommand(program: Command, { io, choose, configFile }: CommandContext): void {
  const doctor = program
    .command('doctor')
    .description('look at the whole deployment from outside in, and say what is wrong and what to do')
    .option('--strict', 'exit with 1 on warnings too')
    .addHelpText('after', DOCTOR_HELP)
  withOutput(withConfig(doctor)).action((options: CommonOptions & DoctorOptions) =>
    choose(async () => {
      const { examine } = await import('../doctor-command.ts')
      return examine(configFile(options), options, io)
    }),
  )
}

const DOCTOR_HELP = `
Changes nothing and shows no secret. It connects to each server a few times as a client without credentials: a service
that runs refuses it and records that. Without nats.system it cannot look at members, limits and connections, and says so.
Exits with 0 when nothing failed, 1 when something did, 2 when the configuration is wrong.
`
