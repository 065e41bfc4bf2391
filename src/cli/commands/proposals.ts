import type { Command } from 'commander'
import { runs, withConfig, withEdit, withOutput, type CommandContext } from '../command-options.ts'
import { groupOf } from './plans.ts'

/** The commands of `callout grants` on changes that somebody else has to approve. */
export function addProposalCommands(program: Command, context: CommandContext): void {
  const grants = groupOf(program)
  const propose = grants
    .command('propose')
    .description('ask somebody else to approve a saved plan')
    .argument('<plan>', 'as "grants plan --out" saved it')
  runs(
    withOutput(withConfig(withEdit(propose))),
    context,
    async () => (await import('../proposal-commands.ts')).proposePlan,
  )
  const list = grants
    .command('proposals')
    .description('list what waits for approval, or show one proposal with its plan')
    .argument('[id]', 'show this one')
    .option('--all', 'those that were decided, too')
  runs(withOutput(withConfig(list)), context, async () => (await import('../proposal-commands.ts')).showProposals)
  const approve = grants
    .command('approve')
    .description('apply exactly the plan of a proposal of somebody else')
    .argument('<id>', 'as "grants proposals" shows it')
    .option('--digest <digest>', 'only if the plan still has this digest, as "grants proposals" showed it')
    .addHelpText('after', '\nExits with 3 when rows have moved since the plan was made, or the proposal was decided.\n')
  runs(
    withOutput(withConfig(withEdit(approve))),
    context,
    async () => (await import('../proposal-commands.ts')).approvePlan,
  )
  const reject = grants
    .command('reject')
    .description('decide that a proposal is not applied; one may reject one’s own')
    .argument('<id>', 'as "grants proposals" shows it')
  runs(
    withOutput(withConfig(withEdit(reject))),
    context,
    async () => (await import('../proposal-commands.ts')).rejectPlan,
  )
}
