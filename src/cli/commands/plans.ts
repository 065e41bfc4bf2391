import { Option, type Command } from 'commander'
import { runs, withConfig, withEdit, withOutput, type CommandContext } from '../command-options.ts'

const SCOPE = 'the set of rows that these documents are all of; a document may name it too'

/** The commands of `callout grants` on documents and plans; the group is there already. */
export function addPlanCommands(program: Command, context: CommandContext): void {
  const grants = groupOf(program)
  addPlan(grants, context)
  addApply(grants, context)
  addExport(grants, context)
  addDiff(grants, context)
  addLint(grants, context)
}

export function groupOf(program: Command): Command {
  const grants = program.commands.find((command) => command.name() === 'grants')
  if (grants === undefined) throw new TypeError('the group "grants" comes first')
  return grants
}

function addPlan(grants: Command, context: CommandContext): void {
  const plan = grants
    .command('plan')
    .description('show what would change if documents were applied, and which sessions it would touch')
    .argument('<file...>', 'YAML documents; a folder for all in it, - for standard input')
    .option('--scope <name>', SCOPE)
    .option('--prune', 'remove rows of the scope that no document asks for')
    .option('--adopt', 'take rows without a scope that a document describes into its scope')
    .option('--out <file>', 'save the plan for "grants apply" or "grants propose"')
    .option('--no-sessions', 'do not look for live sessions')
    .addHelpText('after', PLAN_HELP)
  runs(withOutput(withConfig(plan)), context, async () => (await import('../plan-command.ts')).planGrants)
}

function addApply(grants: Command, context: CommandContext): void {
  const apply = grants
    .command('apply')
    .description('make exactly the changes of a saved plan')
    .argument('<plan>', 'as "grants plan --out" saved it')
    .addHelpText('after', APPLY_HELP)
  runs(withOutput(withConfig(withEdit(apply))), context, async () => (await import('../apply-command.ts')).applyGrants)
}

function addExport(grants: Command, context: CommandContext): void {
  const exported = grants
    .command('export')
    .description('write rows as documents, of which "grants plan" makes the same rows')
    .option('--scope <name>', 'only of this scope')
    .option('--principal <principal>', 'only what names this principal')
    .option('--account <name>', 'only grants in this account')
    .addOption(
      new Option('--output <format>', 'documents, or a list of them').choices(['yaml', 'json']).default('yaml'),
    )
  runs(withConfig(exported), context, async () => (await import('../export-command.ts')).exportGrants)
}

function addDiff(grants: Command, context: CommandContext): void {
  const diff = grants
    .command('diff')
    .description('compare documents with the rows of the database, as unified text')
    .argument('<file...>', 'YAML documents; a folder for all in it, - for standard input')
    .option('--scope <name>', SCOPE)
    .addHelpText('after', '\nExits with 10 when anything differs, else with 0.\n')
  runs(withConfig(diff), context, async () => (await import('../diff-command.ts')).diffGrants)
}

function addLint(grants: Command, context: CommandContext): void {
  const lint = grants
    .command('lint')
    .description('look for grants that are too wide, useless, or never used')
    .argument('[file...]', 'YAML documents; a folder for all in it, - for standard input')
    .option('--database', 'look at the rows of the database instead')
    .addHelpText('after', LINT_HELP)
  runs(withOutput(withConfig(lint)), context, async () => (await import('../lint-command.ts')).lintGrants)
}

const PLAN_HELP = `
Exits with 10 when there are changes, 0 when there are none, 3 when a document asks for a row of another scope.
Sessions are those that the audit knows to have been allowed and that have not ended by themselves yet.

Example:
  callout grants plan deploy/grants --scope team-orders --prune --out plan.json
`

const APPLY_HELP = `
Exits with 3, having done nothing, when the rows are not those that the plan was made of. A large plan is made in several
steps; when it was interrupted, apply it again.

Example:
  callout grants apply plan.json --reason 'OPS-12'
`

const LINT_HELP = `
Needs the configuration for its accounts and issuers, and the database only with --database.
Exits with 1 when a finding is an error, else with 0.
`
