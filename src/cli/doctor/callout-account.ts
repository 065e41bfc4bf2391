import { covers, parseSubjectPattern } from '../../core/subject.ts'
import { CALLOUT_SUBJECT } from '../../nats/callout-endpoint.ts'
import type { AccountFacts, ConnectionFacts } from '../../nats/system-questions.ts'

/** The account of the service, as the servers see it at this moment; connections of this command are left out. */
export interface CalloutAccount {
  readonly name: string
  /** As whom the service is logged in. */
  readonly user: string
  readonly connections: readonly ConnectionFacts[]
  readonly facts: readonly AccountFacts[]
}

/** Who receives requests in the queue group. */
export function membersOf(
  { connections }: Pick<CalloutAccount, 'connections'>,
  queue: string,
): readonly ConnectionFacts[] {
  return connections.filter(({ subscriptions }) =>
    subscriptions.some((subscription) => subscription.queue === queue && hearsRequests(subscription.subject)),
  )
}

/** Whether somebody subscribed to this, or who imports it, receives authorization requests. */
export function hearsRequests(subject: string): boolean {
  const [wide, narrow] = [parseSubjectPattern(subject), parseSubjectPattern(CALLOUT_SUBJECT)]
  return 'pattern' in wide && 'pattern' in narrow && covers(wide.pattern, narrow.pattern)
}
