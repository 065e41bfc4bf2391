import type { ResourceAction } from './grant.ts'
import { expandSubject, parseSubjectPattern } from './subject.ts'

/** Subjects that a user may publish and subscribe to. */
export interface ResourceSubjects {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/** What an action is on, as a grant writes it, and what it allows; for people. */
export interface ResourceActionNotes {
  readonly on: string
  readonly allows: string
}

export const RESOURCE_ACTION_NOTES: Readonly<Record<ResourceAction, ResourceActionNotes>> = {
  'stream:read': {
    on: 'STREAM',
    allows:
      'Read messages by number, by subject and with consumers that need no acknowledgement (ordered consumers); look at the stream',
  },
  'stream:write': {
    on: 'STREAM',
    allows: 'Look at the stream. Its subjects are not in its name: grant them with `publish`',
  },
  'stream:manage': {
    on: 'STREAM',
    allows: 'Create, change, empty and delete the stream and its consumers, and delete single messages',
  },
  'consumer:use': {
    on: 'STREAM/CONSUMER',
    allows: 'Take and acknowledge the messages of a consumer that is there, and look at it',
  },
  'kv:read': { on: 'BUCKET', allows: 'Get, list and watch keys, with their history' },
  'kv:write': { on: 'BUCKET', allows: 'Put, create, update, delete and purge keys' },
  'object:read': { on: 'BUCKET', allows: 'Get, list and watch objects' },
  'object:write': {
    on: 'BUCKET',
    allows: 'Put, replace and delete objects, and for that look at what is there and purge the stream',
  },
  'service:call': {
    on: 'SERVICE',
    allows: 'Send requests to `SERVICE` and `SERVICE.>`, and find its instances (`$SRV.PING`, `$SRV.INFO`)',
  },
  'service:offer': {
    on: 'SERVICE',
    allows: 'Answer requests to `SERVICE` and `SERVICE.>`, and all of `$SRV` that is asked of the service',
  },
}

/** Names of streams, consumers, buckets and services that every client library takes. */
const NAME = /^[A-Za-z0-9_-]{1,255}$/
/** Prefixes of inboxes start with `_`; a service of that name would hear the answers to others. */
const SERVICE_NAME = /^[A-Za-z0-9]/

const API = '$JS.API'

/**
 * Compiles an action to exactly the subjects that the operation takes with the clients of NATS, at most two versions of a
 * form that nats-server changes; answers come to the inbox of the client, which is not part of any action. A `{{variable}}`
 * may stand for the whole name, except of a consumer; its value follows the rules of `expandSubject`.
 *
 * Not checked, because no subject tells: where a consumer that a reader creates delivers to, where an answer goes (any
 * requester names that), and what a managed stream takes its messages from.
 *
 * Sources: nats-server `server/jetstream_api.go`, `server/consumer.go` (forms of `$JS.ACK` and `$JS.FC`, each in the form of
 * all releases and in that of the feature flag `js_ack_fc_v2`), NATS ADR-8 (key-value), ADR-20 (object store), ADR-32
 * (services); what nats.js and nats.go send.
 */
export function compileResourceAction(
  action: ResourceAction,
  resource: string,
  variables: Readonly<Record<string, string>>,
): ResourceSubjects | { readonly problem: string } | { readonly unresolved: string } {
  const problem = problemOfResource(action, resource)
  if (problem !== undefined) return { problem }
  const pattern = parseSubjectPattern(resource)
  if ('problem' in pattern) return { problem: pattern.problem }
  const expanded = expandSubject(pattern.pattern, variables)
  if ('unresolved' in expanded) return expanded
  if (isOfService(action) && !SERVICE_NAME.test(expanded.subject)) return { problem: BAD_SERVICE_NAME }
  const [name = '', consumer = ''] = expanded.subject.split('/')
  return { publish: PUBLISH[action](name, consumer), subscribe: action === 'service:offer' ? offered(name) : [] }
}

const BAD_SERVICE_NAME = 'the name of a service starts with a letter or digit'

/** Checks the name that an action is on, before variables have values. Returns the problem, if any. */
export function problemOfResource(action: ResourceAction, resource: string): string | undefined {
  if (action === 'consumer:use') {
    const [stream = '', consumer = '', ...more] = resource.split('/')
    if (NAME.test(stream) && NAME.test(consumer) && more.length === 0) return undefined
    return 'write STREAM/CONSUMER, each of at most 255 letters, digits, "_" and "-"'
  }
  if (isVariable(resource)) return undefined
  if (!NAME.test(resource)) return 'a name holds letters, digits, "_" and "-", at most 255, or is one {{variable}}'
  return isOfService(action) && !SERVICE_NAME.test(resource) ? BAD_SERVICE_NAME : undefined
}

function isVariable(text: string): boolean {
  const parsed = parseSubjectPattern(text)
  return 'pattern' in parsed && parsed.pattern.tokens.length === 1 && parsed.pattern.tokens[0]?.kind === 'variable'
}

function isOfService(action: ResourceAction): boolean {
  return action === 'service:call' || action === 'service:offer'
}

const PUBLISH: Readonly<Record<ResourceAction, (name: string, consumer: string) => string[]>> = {
  'stream:read': (stream) => [
    `${API}.STREAM.INFO.${stream}`,
    `${API}.STREAM.MSG.GET.${stream}`,
    `${API}.DIRECT.GET.${stream}`,
    `${API}.DIRECT.GET.${stream}.>`,
    `${API}.CONSUMER.CREATE.${stream}`,
    `${API}.CONSUMER.CREATE.${stream}.>`,
    `${API}.CONSUMER.INFO.${stream}.*`,
    `${API}.CONSUMER.MSG.NEXT.${stream}.*`,
    ...flowControl(stream, '*'),
  ],
  'stream:write': (stream) => [`${API}.STREAM.INFO.${stream}`],
  'stream:manage': (stream) => [
    ...['CREATE', 'UPDATE', 'INFO', 'PURGE', 'DELETE', 'MSG.DELETE'].map((verb) => `${API}.STREAM.${verb}.${stream}`),
    ...['NAMES', 'LIST'].map((verb) => `${API}.CONSUMER.${verb}.${stream}`),
    `${API}.CONSUMER.CREATE.${stream}`,
    `${API}.CONSUMER.CREATE.${stream}.>`,
    ...['DURABLE.CREATE', 'INFO', 'DELETE', 'PAUSE', 'RESET', 'UNPIN'].map(
      (verb) => `${API}.CONSUMER.${verb}.${stream}.*`,
    ),
  ],
  'consumer:use': (stream, consumer) => [
    `${API}.CONSUMER.INFO.${stream}.${consumer}`,
    `${API}.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
    ...acknowledgements(stream, consumer),
    ...flowControl(stream, consumer),
  ],
  'kv:read': (bucket) => [
    ...lookups(`KV_${bucket}`, `$KV.${bucket}.>`),
    `${API}.DIRECT.GET.KV_${bucket}`,
    // Watching several keys at once names none of them in the subject: nats.js uses the first, nats.go the second.
    `${API}.CONSUMER.CREATE.KV_${bucket}`,
    `${API}.CONSUMER.CREATE.KV_${bucket}.*`,
    `${API}.CONSUMER.CREATE.KV_${bucket}.*.$KV.${bucket}.>`,
    ...watching(`KV_${bucket}`),
  ],
  'kv:write': (bucket) => [`${API}.STREAM.INFO.KV_${bucket}`, `$KV.${bucket}.>`],
  'object:read': (bucket) => [
    ...lookups(`OBJ_${bucket}`, `$O.${bucket}.M.>`),
    `${API}.CONSUMER.CREATE.OBJ_${bucket}.*.$O.${bucket}.C.*`,
    `${API}.CONSUMER.CREATE.OBJ_${bucket}.*.$O.${bucket}.M.>`,
    ...watching(`OBJ_${bucket}`),
  ],
  'object:write': (bucket) => [
    ...lookups(`OBJ_${bucket}`, `$O.${bucket}.M.>`),
    `${API}.STREAM.PURGE.OBJ_${bucket}`,
    `$O.${bucket}.C.>`,
    `$O.${bucket}.M.>`,
  ],
  'service:call': (service) => [
    service,
    `${service}.>`,
    ...['PING', 'INFO'].flatMap((verb) => [`$SRV.${verb}.${service}`, `$SRV.${verb}.${service}.*`]),
  ],
  'service:offer': () => [],
}

/** To open a bucket, and to get the last message of a subject, with direct get allowed on its stream or not. */
function lookups(stream: string, subjects: string): string[] {
  return [`${API}.STREAM.INFO.${stream}`, `${API}.STREAM.MSG.GET.${stream}`, `${API}.DIRECT.GET.${stream}.${subjects}`]
}

/** With an ordered push consumer. The Go client deletes it in the end, and waits for the answer. */
function watching(stream: string): string[] {
  return [`${API}.CONSUMER.INFO.${stream}.*`, `${API}.CONSUMER.DELETE.${stream}.*`, ...flowControl(stream, '*')]
}

/**
 * `$JS.ACK.<stream>.<consumer>` and five numbers, or with `<domain>.<account hash>` before the stream and five numbers or more.
 * The count of tokens is what tells the two apart. With `>` in place of the numbers, each form would reach other consumers
 * through the other, and those take requests for messages (`+NXT`) without a look at the numbers.
 */
function acknowledgements(stream: string, consumer: string): string[] {
  return [`$JS.ACK.${stream}.${consumer}.*.*.*.*.*`, `$JS.ACK.*.*.${stream}.${consumer}.*.*.*.*.>`]
}

/** The same two forms, with one token at the end. */
function flowControl(stream: string, consumer: string): string[] {
  return [`$JS.FC.${stream}.${consumer}.*`, `$JS.FC.*.*.${stream}.${consumer}.*`]
}

function offered(service: string): string[] {
  const monitored = ['PING', 'INFO', 'STATS'].map((verb) => `$SRV.${verb}`)
  return [
    service,
    `${service}.>`,
    ...monitored.flatMap((subject) => [subject, `${subject}.${service}`, `${subject}.${service}.*`]),
  ]
}
