/**
 * The fields of ours that the Elastic Common Schema 9.4.0 has, compared by hand with `generated/ecs_flat` of the package `@elastic/ecs`
 * of that version, and the values of its categorization fields that we use:
 * https://www.elastic.co/docs/reference/ecs/ecs-category-field-values-reference
 */
const FIELDS = new Set([
  '@timestamp',
  'client.address',
  'client.ip',
  'ecs.version',
  'event.action',
  'event.category',
  'event.code',
  'event.created',
  'event.dataset',
  'event.duration',
  'event.hash',
  'event.id',
  'event.kind',
  'event.module',
  'event.outcome',
  'event.provider',
  'event.reason',
  'event.type',
  'message',
  'organization.id',
  'related.ip',
  'related.user',
  'rule.category',
  'rule.id',
  'server.address',
  'service.name',
  'service.node.name',
  'service.type',
  'service.version',
  'source.address',
  'source.ip',
  'tls.client.hash.sha256',
  'tls.established',
  'tls.version',
  'user.domain',
  'user.full_name',
  'user.group.name',
  'user.id',
  'user.name',
  'user.target.domain',
  'user.target.id',
  'user.target.name',
])

/** `event.type` as the schema expects it of each category. */
const EVENT_TYPES: Readonly<Record<string, readonly string[]>> = {
  authentication: ['start', 'end', 'info'],
  iam: ['admin', 'change', 'creation', 'deletion', 'group', 'info', 'user'],
}

/** What a namespace of ours, and labels, may hold is not for the schema to say. */
const OPEN = new Set(['nats_callout', 'labels'])

/** Everything about a document that the schema does not allow. */
export function ecsProblems(document: object): readonly string[] {
  const { event, '@timestamp': time } = document as {
    event: { kind: string; category: string[]; type: string[]; outcome: string }
    '@timestamp': string
  }
  const expected = event.category.flatMap((category) => EVENT_TYPES[category] ?? [])
  return [
    ...fieldsOf('', document).filter((field) => !FIELDS.has(field)),
    ...event.type.filter((type) => !expected.includes(type)),
    ...(event.kind === 'event' ? [] : ['event.kind']),
    ...(['success', 'failure', 'unknown'].includes(event.outcome) ? [] : ['event.outcome']),
    ...(typeof time === 'string' ? [] : ['@timestamp is missing']),
  ]
}

function fieldsOf(path: string, value: object): string[] {
  return (Object.entries(value) as [string, unknown][]).flatMap(([name, member]) => {
    if (OPEN.has(`${path}${name}`)) return []
    if (typeof member === 'object' && member !== null && !Array.isArray(member))
      return fieldsOf(`${path}${name}.`, member)
    return member === undefined ? [`${path}${name} is undefined`] : [`${path}${name}`]
  })
}
