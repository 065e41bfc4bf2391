import { randomUUID } from 'node:crypto'
import { sha256 } from '../documents/digest.ts'
import { planValue, readPlanValue, type SavedPlan } from '../documents/plan-file.ts'
import { applyPlan } from '../service/applying.ts'
import { keyDigest } from '../documents/digest.ts'
import {
  approveProposal,
  problemOfProposal,
  PROPOSAL_STATES,
  requireApprovable,
  type Proposal,
  type ProposalSummary,
} from '../service/proposals.ts'
import { actorOf, reasonOf } from './actor.ts'
import { loadPlan, requireDatabase } from './apply-command.ts'
import type { EditOptions } from './command-options.ts'
import { noteDryRun } from './dry-run.ts'
import { CommandFailure, EXIT, type CliIo } from './io.ts'
import { writeOutput, type Column, type OutputFormat } from './output.ts'
import { sessionsTouched } from './plan-command.ts'
import { writePlan } from './plan-output.ts'
import { policyAdminOf, proposalsOf } from './policy-access.ts'
import { openKnownStore } from './store.ts'

export interface ProposalSelection {
  readonly all?: boolean
  readonly output: OutputFormat
}

export interface ApproveOptions extends EditOptions {
  readonly digest?: string
  readonly output: OutputFormat
}

type Output = { readonly output: OutputFormat }

const LISTED_MAX = 200
/** Spanner takes no larger cell of JSON, and no larger request to read it. */
const PLAN_CHARACTERS_MAX = 4 * 1024 * 1024

/** `callout grants propose`: keeps a saved plan until somebody else approves or rejects it. */
export async function proposePlan(
  configFile: string,
  planFile: string,
  options: EditOptions & Output,
  io: CliIo,
): Promise<number> {
  const [reason, proposedBy] = [reasonOf(options.reason), actorOf(options.actor)]
  const saved = await loadPlan(planFile, io)
  const plan = planValue(saved)
  const problem =
    problemOfProposal(saved.plan) ??
    (JSON.stringify(plan).length > PLAN_CHARACTERS_MAX
      ? 'the plan is larger than 4 MiB; split the documents'
      : undefined)
  if (problem !== undefined) throw new CommandFailure(EXIT.usage, [problem])
  await using store = await openKnownStore(configFile, io)
  requireDatabase(saved, store)
  const id = randomUUID()
  if (options.dryRun === true) noteDryRun(io)
  else await proposalsOf(store).add({ id, plan, proposedBy, reason })
  writeProposals(io, options.output, [{ id, state: 'open', proposedBy, proposedAt: '', reason }])
  return EXIT.ok
}

/** `callout grants proposals`: what waits, or one proposal with what it would do now. */
export async function showProposals(
  configFile: string,
  id: string | undefined,
  { all, output }: ProposalSelection,
  io: CliIo,
): Promise<number> {
  await using store = await openKnownStore(configFile, io)
  const proposals = proposalsOf(store)
  if (id === undefined) {
    const states = all === true ? PROPOSAL_STATES : (['open'] as const)
    writeProposals(io, output, await proposals.list(states, LISTED_MAX))
    return EXIT.ok
  }
  const proposal = found(await proposals.find(id))
  const { plan, digest } = planOf(proposal)
  const open = proposal.state === 'open'
  const sessions = open ? await sessionsTouched(store, plan.changes) : undefined
  const by = proposal.decidedBy === undefined ? '' : ` by ${proposal.decidedBy}: ${proposal.decisionReason ?? ''}`
  io.stderr.write(`callout: ${proposal.state}${by}; proposed by ${proposal.proposedBy}: ${proposal.reason}\n`)
  io.stderr.write(`callout: digest ${digest}\n`)
  writePlan(io, output, { plan, ...(sessions === undefined ? {} : { sessions }) })
  return EXIT.ok
}

/** `callout grants approve`: applies the plan of a proposal, in one transaction with the note that it was applied. */
export async function approvePlan(configFile: string, id: string, options: ApproveOptions, io: CliIo): Promise<number> {
  const ruling = { reason: reasonOf(options.reason), decidedBy: actorOf(options.actor) }
  await using store = await openKnownStore(configFile, io)
  const proposals = proposalsOf(store)
  const proposal = undecided(await proposals.find(id))
  const saved = planOf(proposal)
  requireDatabase(saved, store)
  if (options.digest !== undefined && options.digest !== saved.digest)
    throw new CommandFailure(EXIT.conflict, [`the plan has the digest ${saved.digest}`])
  if (options.dryRun === true) {
    requireApprovable(proposal, saved.plan, ruling.decidedBy)
    const edit = {
      source: 'proposal',
      actor: proposal.proposedBy,
      approvedBy: ruling.decidedBy,
      reason: proposal.reason,
    } as const
    await applyPlan(policyAdminOf(store), saved.plan, edit, { keyDigest, progress: () => {}, dryRun: true })
    noteDryRun(io)
  } else await approveProposal(proposals, proposal, saved.plan, ruling)
  writePlan(io, options.output, { plan: saved.plan })
  return EXIT.ok
}

/** `callout grants reject` */
export async function rejectPlan(
  configFile: string,
  id: string,
  options: EditOptions & Output,
  io: CliIo,
): Promise<number> {
  const ruling = { reason: reasonOf(options.reason), decidedBy: actorOf(options.actor) }
  await using store = await openKnownStore(configFile, io)
  const proposals = proposalsOf(store)
  const proposal = undecided(await proposals.find(id))
  if (options.dryRun === true) noteDryRun(io)
  else await proposals.reject(id, ruling)
  const { decidedBy, reason: decisionReason } = ruling
  writeProposals(io, options.output, [{ ...proposal, state: 'rejected', decidedBy, decisionReason }])
  return EXIT.ok
}

function found(proposal: Proposal | undefined): Proposal {
  if (proposal === undefined) throw new CommandFailure(EXIT.conflict, ['no proposal has this id'])
  return proposal
}

function undecided(read: Proposal | undefined): Proposal {
  const proposal = found(read)
  if (proposal.state === 'open') return proposal
  throw new CommandFailure(EXIT.conflict, [`the proposal was ${proposal.state} already`])
}

/** Whoever can write to the table can write anything there. */
function planOf({ id, plan }: Proposal): SavedPlan {
  const reading = readPlanValue(plan, sha256)
  if ('saved' in reading) return reading.saved
  const lines = reading.problems.map(
    ({ path, message }) => `proposal ${id}: ${path === '' ? '' : `${path}: `}${message}`,
  )
  throw new CommandFailure(EXIT.failure, lines)
}

const COLUMNS: readonly Column<ProposalSummary>[] = [
  { heading: 'ID', cell: ({ id }) => id },
  { heading: 'STATE', cell: ({ state }) => state },
  { heading: 'PROPOSED BY', cell: ({ proposedBy }) => proposedBy },
  { heading: 'AT', cell: ({ proposedAt }) => proposedAt },
  { heading: 'REASON', cell: ({ reason }) => reason },
  { heading: 'DECIDED BY', cell: ({ decidedBy = '' }) => decidedBy },
  { heading: 'WHY', cell: ({ decisionReason = '' }) => decisionReason },
]

function writeProposals(io: CliIo, format: OutputFormat, proposals: readonly ProposalSummary[]): void {
  const records = proposals.map(
    ({ id, state, proposedBy, proposedAt, reason, decidedBy, decidedAt, decisionReason }) => ({
      id,
      state,
      proposedBy,
      proposedAt,
      reason,
      ...(decidedBy !== undefined && { decidedBy }),
      ...(decidedAt !== undefined && { decidedAt }),
      ...(decisionReason !== undefined && { decisionReason }),
    }),
  )
  writeOutput(io, format, { columns: COLUMNS, records })
}
