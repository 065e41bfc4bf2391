import type { Command } from 'commander'
import {
  withConfig,
  withEdit,
  withOutput,
  type CommandContext,
  type CommonOptions,
  type EditOptions,
} from '../command-options.ts'
import type { ApproveOptions, ProposalSelection } from '../proposal-commands.ts'
import { groupOf } from './plans.ts'

/** The commands of `callout grants` on changes that somebody else has to approve. */
export function addProposalCommands(program: Command, { io, choose, configFile }: CommandContext): void {
  const grants = groupOf(program)
  const propose = grants
    .command('propose')
    .description('ask somebody else to approve a saved plan')
    .argument('<plan>', 'as "grants plan --out" saved it')
  withOutput(withConfig(withEdit(propose))).action((plan: string, options: CommonOptions & EditOptions) =>
    choose(async () => {
      const { proposePlan } = await import('../proposal-commands.ts')
      return proposePlan(configFile(options), plan, options, io)
    }),
  )
  const list = grants
    .command('proposals')
    .description('list what waits for approval, or show one proposal with its plan')
    .argument('[id]', 'show this one')
    .option('--all', 'those that were decided, too')
  withOutput(withConfig(list)).action((id: string | undefined, options: CommonOptions & ProposalSelection) =>
    choose(async () => {
      const { showProposals } = await import('../proposal-commands.ts')
      return showProposals(configFile(options), id, options, io)
    }),
  )
  const approve = grants
    .command('approve')
    .description('apply exactly the plan of a proposal of somebody else')
    .argument('<id>', 'as "grants proposals" shows it')
    .option('--digest <digest>', 'only if the plan still has this digest, as "grants proposals" showed it')
    .addHelpText('after', '\nExits with 3 when rows have moved since the plan was made, or the proposal was decided.\n')
  withOutput(withConfig(withEdit(approve))).action((id: string, options: CommonOptions & ApproveOptions) =>
    choose(async () => {
      const { approvePlan } = await import('../proposal-commands.ts')
      return approvePlan(configFile(options), id, options, io)
    }),
  )
  const reject = grants
    .command('reject')
    .description('decide that a proposal is not applied; one may reject one’s own')
    .argument('<id>', 'as "grants proposals" shows it')
  withOutput(withConfig(withEdit(reject))).action((id: string, options: CommonOptions & EditOptions) =>
    choose(async () => {
      const { rejectPlan } = await import('../proposal-commands.ts')
      return rejectPlan(configFile(options), id, options, io)
    }),
  )
}
