import { writeTable } from '../cli/table.ts'
import { adding } from '../service/policy-edit.ts'
import { compareDecisions, DECISIONS_SQL, matchingRows, readDecisions, writeDecisions } from './audit-table.ts'
import { absentClient, connectClient, type DemoClient } from './demo-client.ts'
import { OBSERVER_GRANT, REFUSED_GUESTS, WELCOME_GUESTS, type Guest } from './demo-guests.ts'
import { tryPermissions, tryQueueGroup, type Cast } from './demo-permissions.ts'
import { indented, say, type DemoStage } from './demo-stage.ts'

/** Far more than a demo has. */
const GRANTS_SHOWN_MAX = 50

const ABOUT_ROWS =
  'No principal: what an unproven token says about its owner counts for nothing. No token is ever stored.'

/** Plays everything that the stack is good for. Steps that fail are counted; throws when it cannot go on. */
export async function playScenes(stage: DemoStage): Promise<void> {
  await using clients = new AsyncDisposableStack()
  await showGrants(stage)
  const cast = await letIn(stage, clients)
  await tryPermissions(stage, cast)
  await tryQueueGroup(stage, cast)
  await turnAway(stage)
  await showRecord(stage)
}

async function showGrants(stage: DemoStage): Promise<void> {
  const { admin } = stage.stack
  await admin.edit(adding('grant', OBSERVER_GRANT))
  const grants = await admin.listGrants({ account: 'APP' }, GRANTS_SHOWN_MAX)
  say(
    stage,
    'The grants: who may do what',
    'What is not granted is forbidden, and a "not" beats every grant. A client is a program, a user a person; a group',
    'is everybody whose token lists it. "local" is the issuer of the tokens; {{subject}} is the name in the token.',
    '',
  )
  writeTable(
    indented(stage.io),
    ['WHO', 'MAY', 'SUBJECT', 'WHY'],
    grants.map(({ principal, effect, action, subject, queue, reason }) => [
      principal,
      effect === 'deny' ? `not ${action}` : action,
      queue === undefined ? subject : `${subject} (group ${queue})`,
      reason,
    ]),
  )
}

async function letIn(stage: DemoStage, clients: AsyncDisposableStack): Promise<Cast> {
  const about = 'The decision is on record, in the audit table, before the client gets its answer.'
  say(stage, '1. A valid token and a grant: let in', about)
  const guests = Object.values(WELCOME_GUESTS)
  const enter = async (guest: Guest): Promise<DemoClient> => clients.use(await admit(stage, guest, widest(guests)))
  return {
    service: await enter(WELCOME_GUESTS.service),
    replica: await enter(WELCOME_GUESTS.replica),
    person: await enter(WELCOME_GUESTS.person),
    observer: await enter(WELCOME_GUESTS.observer),
  }
}

async function turnAway(stage: DemoStage): Promise<void> {
  const about =
    'All that a client learns is "Authorization Violation". The reason is for you: on record and in the log.'
  say(stage, '3. Everybody else: refused', about)
  for (const guest of REFUSED_GUESTS) {
    const client = await admit(stage, guest, widest(REFUSED_GUESTS))
    await client[Symbol.asyncDispose]()
  }
}

function widest(guests: readonly Guest[]): number {
  return Math.max(...guests.map((guest) => guest.description.length))
}

/** Connects, and looks into the audit table as soon as the answer is there. */
async function admit({ stack, expectations }: DemoStage, guest: Guest, width: number): Promise<DemoClient> {
  const { expected } = guest
  let client = absentClient(expected.client)
  await expectations.step(
    guest.description.padEnd(width),
    describeAnswer(expected.outcome === 'ALLOW', expected),
    async () => {
      const welcome = await connectClient(stack, expected.client, await guest.token?.(stack.provider))
      const [row] = await readDecisions(stack.database, expected.client)
      if ('client' in welcome) client = welcome.client
      return describeAnswer('client' in welcome, row)
    },
  )
  return client
}

/** What the client was told, and what the audit table held about it at that moment. */
export function describeAnswer(
  letIn: boolean,
  row: { readonly outcome: string; readonly reason?: string | undefined } | undefined,
): string {
  const answer = letIn ? 'let in' : 'refused'
  if (row === undefined) return `${answer}, but not on record`
  if ((row.outcome === 'ALLOW') !== letIn) return `${answer}, but on record as ${row.outcome}`
  return row.reason === undefined ? `${answer}, on record` : `${answer}, on record: ${row.reason}`
}

async function showRecord(stage: DemoStage): Promise<void> {
  const { stack, expectations, io } = stage
  say(stage, '4. Every decision is on record', DECISIONS_SQL, '')
  const expected = [...Object.values<Guest>(WELCOME_GUESTS), ...REFUSED_GUESTS].map((guest) => guest.expected)
  await expectations.step('the table holds', matchingRows(expected.length), async () => {
    const rows = await readDecisions(stack.database)
    writeDecisions(indented(io), rows)
    io.stdout.write(`\n  ${ABOUT_ROWS}\n`)
    return compareDecisions(rows, expected)
  })
}
