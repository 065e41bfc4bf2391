import type { DemoClient } from './demo-client.ts'
import { say, type DemoStage } from './demo-stage.ts'

/** Enough to show a group that hands a message to both of its members, or to none. */
const SHARED_MESSAGES = 20

/** The longest that is tried. */
const NAME_WIDTH = 'orders-service-2'.length
const ACTION_WIDTH = 'subscribe orders.requests.* in queue group workers'.length

const ACCEPTED = 'accepted'
const REFUSED = 'refused by nats-server'

/** Those that were let in, by their part. */
export interface Cast {
  readonly service: DemoClient
  readonly replica: DemoClient
  readonly person: DemoClient
  /** Hears everything that goes through, whoever else hears it. */
  readonly observer: DemoClient
}

/** One thing that a client tries. */
interface Attempt {
  readonly who: DemoClient
  readonly action: string
  readonly expected: string
  readonly tryIt: () => Promise<string>
}

/** Shows that each client may do what it was granted, and nothing else. */
export async function tryPermissions(stage: DemoStage, { service, person, observer }: Cast): Promise<void> {
  say(
    stage,
    '2. Each may do exactly what it was granted',
    'nats-server itself allows and refuses, with the permissions that the service signed for this connection.',
  )
  const everybody = [person, observer]
  await attempt(stage, [
    listen(observer, '>', true),
    listen(person, 'orders.>', true),
    send(service, 'orders.created', everybody, `reaches ${person.name} and ${observer.name}`),
    send(service, 'orders.payments.captured', everybody, `reaches ${observer.name}, not ${person.name}`),
    send(service, 'invoices.created', everybody),
    listen(service, 'orders.created', false),
    listen(person, 'orders.payments.>', false),
    listen(person, 'invoices.>', false),
    send(person, 'orders.created', everybody),
    send(person, 'notes.alice.today', [observer], `reaches ${observer.name}`),
    send(person, 'notes.bob.today', [observer]),
  ])
}

/** Shows that a grant for a queue group holds in that group only, and that the group shares what comes. */
export async function tryQueueGroup(stage: DemoStage, { service, replica }: Cast): Promise<void> {
  const subject = 'orders.requests.*'
  await attempt(stage, [
    listen(service, subject, true, 'workers'),
    listen(replica, subject, true, 'workers'),
    {
      who: service,
      action: `publish ${SHARED_MESSAGES} to orders.requests.new`,
      expected: shared(SHARED_MESSAGES),
      tryIt: () => share(service, 'orders.requests.new', [service, replica]),
    },
    listen(service, subject, false, 'others'),
    listen(service, subject, false),
  ])
}

async function attempt({ expectations }: DemoStage, attempts: readonly Attempt[]): Promise<void> {
  for (const { who, action, expected, tryIt } of attempts) {
    await expectations.step(`${who.name.padEnd(NAME_WIDTH)}  ${action.padEnd(ACTION_WIDTH)}`, expected, tryIt)
  }
}

function listen(who: DemoClient, subject: string, allowed: boolean, queue?: string): Attempt {
  return {
    who,
    action: `subscribe ${subject}${queue === undefined ? '' : ` in queue group ${queue}`}`,
    expected: allowed ? ACCEPTED : REFUSED,
    tryIt: async () => ((await who.subscribe(subject, queue)) ? ACCEPTED : REFUSED),
  }
}

/** Refused unless `expected` says otherwise. */
function send(
  who: DemoClient,
  subject: string,
  audience: readonly DemoClient[],
  expected = describeDelivery(false, [], audience),
): Attempt {
  return {
    who,
    action: `publish ${subject}`,
    expected,
    tryIt: async () => {
      const text = `${who.name} to ${subject}`
      const accepted = await who.publish(subject, text)
      const reached: DemoClient[] = []
      for (const listener of audience) if ((await listener.received()).includes(text)) reached.push(listener)
      return describeDelivery(accepted, reached, audience)
    },
  }
}

/** What became of a message: whether the sender may send it, and who of the audience has it. */
export function describeDelivery(
  accepted: boolean,
  reached: readonly { readonly name: string }[],
  audience: readonly { readonly name: string }[],
): string {
  const names = reached.map(({ name }) => name).join(' and ')
  if (!accepted) return reached.length === 0 ? `${REFUSED}, reaches nobody` : `${REFUSED}, yet reaches ${names}`
  if (reached.length === 0) return 'accepted, reaches nobody'
  const missed = audience.filter((listener) => !reached.includes(listener)).map(({ name }) => name)
  return missed.length === 0 ? `reaches ${names}` : `reaches ${names}, not ${missed.join(' nor ')}`
}

async function share(sender: DemoClient, subject: string, members: readonly DemoClient[]): Promise<string> {
  const texts = Array.from({ length: SHARED_MESSAGES }, (_, index) => `request ${index + 1}`)
  for (const text of texts) await sender.publish(subject, text)
  const inboxes = await Promise.all(members.map((member) => member.received()))
  const deliveries = (text: string): number => inboxes.flat().filter((received) => received === text).length
  return shared(texts.filter((text) => deliveries(text) === 1).length)
}

function shared(once: number): string {
  return `${once} of ${SHARED_MESSAGES} reach exactly one of the two copies`
}
