import { CalloutError } from '../core/errors.ts'
import type { Clock } from '../service/ports.ts'
import type { Proposal, ProposalStore, ProposalSummary, Ruling } from '../service/proposals.ts'
import type { SpannerDatabase } from './database.ts'
import { insertion, replacement } from './mutation.ts'
import { editWithin } from './policy-admin.ts'
import { PROPOSALS, PROPOSALS_BY_STATE } from './schema.ts'
import type { Transaction } from './transaction.ts'
import { COMMIT_TIMESTAMP, int64Value, jsonValue, RowReader, stringValue } from './values.ts'
import type { Row } from './values.ts'

const TIMEOUT_MS = 10_000
/** Of one that changes as many rows as an edit may. */
const APPROVE_TIMEOUT_MS = 60_000
const STATES = { OPEN: 'open', APPLIED: 'applied', REJECTED: 'rejected' } as const
const SUMMARY_COLUMNS = [
  'ProposalId',
  'State',
  'ProposedBy',
  'ProposedAt',
  'Reason',
  'DecidedBy',
  'DecidedAt',
  'DecisionReason',
] as const

export interface ProposalStoreOptions {
  readonly database: SpannerDatabase
  readonly clock: Clock
  /** Makes ids that are never the same twice. */
  readonly newId: () => string
}

/** Proposals in the database. */
export function createProposalStore({ database, clock, newId }: ProposalStoreOptions): ProposalStore {
  const deadline = (): number => clock.monotonicMs() + TIMEOUT_MS
  return {
    async add({ id, plan, proposedBy, reason }) {
      const columns = ['ProposalId', 'State', 'Plan', 'ProposedBy', 'ProposedAt', 'Reason']
      const row = [
        stringValue(id),
        stringValue('OPEN'),
        jsonValue(plan),
        stringValue(proposedBy),
        COMMIT_TIMESTAMP,
        stringValue(reason),
      ]
      await database.commit([insertion(PROPOSALS, columns, [row])], { repeatable: false }, deadline())
    },

    async find(id) {
      const columns = [...SUMMARY_COLUMNS, 'Plan']
      const read = { table: PROPOSALS, columns, prefixes: [[stringValue(id)]], limit: 1 }
      const [row] = (await database.read(read, 'strong', deadline())).rows
      return row === undefined ? undefined : decodeProposal(columns, row)
    },

    async list(states, limit) {
      const proposals: ProposalSummary[] = []
      for (const state of states) {
        const rows = await database.query(
          `SELECT ${SUMMARY_COLUMNS.join(', ')} FROM ${PROPOSALS}@{FORCE_INDEX=${PROPOSALS_BY_STATE}}
WHERE State = @state ORDER BY ProposedAt DESC LIMIT @limit`,
          {
            state: { value: stringValue(state.toUpperCase()), type: 'STRING' },
            limit: { value: int64Value(limit), type: 'INT64' },
          },
          deadline(),
        )
        proposals.push(...rows.map((row) => decodeSummary(new RowReader(PROPOSALS, SUMMARY_COLUMNS, row))))
      }
      return proposals.sort((a, b) => (a.proposedAt < b.proposedAt ? 1 : -1)).slice(0, limit)
    },

    async approve(id, edit, ruling) {
      const editId = newId()
      await database.transact(async (transaction) => {
        const proposedBy = await requireOpen(transaction, id)
        if (proposedBy !== edit.actor || proposedBy === ruling.decidedBy)
          throw new CalloutError('ERR_STORE_CONFLICT', `${proposedBy} proposed it; somebody else has to approve it`)
        await editWithin(transaction, edit, editId)
        transaction.buffer(rulingOf(id, 'APPLIED', ruling))
      }, clock.monotonicMs() + APPROVE_TIMEOUT_MS)
    },

    async reject(id, ruling) {
      await database.transact(async (transaction) => {
        await requireOpen(transaction, id)
        transaction.buffer(rulingOf(id, 'REJECTED', ruling))
      }, deadline())
    },
  }
}

/** Who proposed it. */
async function requireOpen(transaction: Transaction, id: string): Promise<string> {
  const read = { table: PROPOSALS, columns: SUMMARY_COLUMNS, prefixes: [[stringValue(id)]], limit: 1 }
  const [row] = await transaction.read(read)
  if (row === undefined) throw new CalloutError('ERR_STORE_NOT_FOUND', 'no proposal has this id')
  const { state, proposedBy, decidedBy } = decodeSummary(new RowReader(PROPOSALS, SUMMARY_COLUMNS, row))
  if (state === 'open') return proposedBy
  throw new CalloutError('ERR_STORE_CONFLICT', `the proposal was ${state} by ${decidedBy ?? 'somebody'}`)
}

function rulingOf(id: string, state: 'APPLIED' | 'REJECTED', { decidedBy, reason }: Ruling) {
  const columns = ['ProposalId', 'State', 'DecidedBy', 'DecidedAt', 'DecisionReason']
  const row = [stringValue(id), stringValue(state), stringValue(decidedBy), COMMIT_TIMESTAMP, stringValue(reason)]
  return replacement(PROPOSALS, columns, [row])
}

function decodeProposal(columns: readonly string[], row: Row): Proposal {
  const reader = new RowReader(PROPOSALS, columns, row)
  return { ...decodeSummary(reader), plan: JSON.parse(reader.string()) as unknown }
}

function decodeSummary(reader: RowReader): ProposalSummary {
  const [id, state, proposedBy] = [reader.string(), reader.oneOf(STATES), reader.string()]
  const [proposedAt, reason] = [reader.string(), reader.string()]
  const [decidedBy, decidedAt, decisionReason] = [
    reader.optionalString(),
    reader.optionalString(),
    reader.optionalString(),
  ]
  return {
    id,
    state,
    proposedBy,
    proposedAt,
    reason,
    ...(decidedBy !== undefined && { decidedBy }),
    ...(decidedAt !== undefined && { decidedAt }),
    ...(decisionReason !== undefined && { decisionReason }),
  }
}
