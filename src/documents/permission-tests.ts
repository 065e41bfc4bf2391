import { z } from 'zod'
import { problemsOf, writtenPath, type Problem } from '../config/problem.ts'
import { CONNECTION_TYPES, connectionLike, TLS_REQUIREMENTS } from '../core/connection-condition.ts'
import { parseIpAddress } from '../core/cidr.ts'
import type { Action } from '../core/grant.ts'
import type { Expectation, PermissionTest } from '../core/permission-test.ts'
import { parseQuestion } from '../core/permits.ts'
import { identityNamed } from '../core/principal.ts'
import { parseDocuments } from './document-yaml.ts'
import { API_VERSION, time } from './schema.ts'

/** Of a file; more are several files. */
const CLIENTS_MAX = 2000
const EXPECTATIONS_MAX = 20_000
/** More would hide the first ones. */
const PROBLEMS_MAX = 50

const text = z.string().min(1, 'must not be empty').max(1024)
const asked = z.union([text, z.strictObject({ subject: text, queue: text.optional() })])
const side = <Asked extends z.ZodType>(entry: Asked) =>
  z.strictObject({ allow: z.array(entry).optional(), deny: z.array(entry).optional() }).optional()

const client = z.strictObject({
  name: text.optional(),
  principal: text,
  groups: z.array(text).max(1000, 'has more than 1000 entries').optional(),
  attributes: z.record(text, z.string().max(1024)).optional(),
  account: text.optional(),
  address: text.refine((written) => parseIpAddress(written) !== undefined, 'is no IP address').optional(),
  connectionType: z.enum(CONNECTION_TYPES).optional(),
  tls: z.enum(TLS_REQUIREMENTS).optional(),
  at: time('When it connects.').optional(),
  publish: side(text),
  subscribe: side(asked),
})

const file = z.strictObject({
  apiVersion: z.literal(API_VERSION, `must be ${API_VERSION}`),
  kind: z.literal('Tests', 'must be Tests'),
  clients: z.array(client).min(1, 'needs at least 1 entry').max(CLIENTS_MAX, `has more than ${CLIENTS_MAX} entries`),
})

type WrittenClient = z.output<typeof client>

export type TestsReading = { readonly tests: readonly PermissionTest[] } | { readonly problems: readonly Problem[] }

/** Reads what clients are expected to be allowed. Either all of it is right or everything that is wrong is returned, with its place. */
export function readPermissionTests(name: string, yaml: string): TestsReading {
  const tests: PermissionTest[] = []
  const problems: Problem[] = []
  let number = 0
  for (const parsed of parseDocuments(yaml)) {
    number += 1
    const at = `${name}:doc ${number}`
    const checked = 'problems' in parsed ? parsed : checkFile(parsed.value)
    if ('tests' in checked) tests.push(...checked.tests)
    else
      problems.push(
        ...checked.problems.map(({ path, message }) => ({ path: path === '' ? at : `${at}: ${path}`, message })),
      )
    if (problems.length >= PROBLEMS_MAX) break
  }
  const count = tests.reduce((sum, { expectations }) => sum + expectations.length, 0)
  if (count > EXPECTATIONS_MAX) problems.push({ path: name, message: `asks more than ${EXPECTATIONS_MAX} questions` })
  if (tests.length > CLIENTS_MAX) problems.push({ path: name, message: `has more than ${CLIENTS_MAX} clients` })
  if (problems.length > 0) return { problems: problems.slice(0, PROBLEMS_MAX) }
  return count > 0 ? { tests } : { problems: [{ path: name, message: 'expects nothing' }] }
}

function checkFile(value: unknown): TestsReading {
  const checked = file.safeParse(value, { reportInput: true })
  if (!checked.success) return { problems: problemsOf(checked.error, unknownKey) }
  const tests: PermissionTest[] = []
  const problems: Problem[] = []
  for (const [index, written] of checked.data.clients.entries()) {
    const read = readClient(written, `clients[${index}]`)
    if ('problems' in read) problems.push(...read.problems)
    else tests.push(read)
    if (problems.length >= PROBLEMS_MAX) break
  }
  return problems.length > 0 ? { problems } : { tests }
}

function unknownKey(path: readonly PropertyKey[], key: string): Problem {
  return { path: writtenPath([...path, key]), message: 'is not known here' }
}

function readClient(written: WrittenClient, path: string): PermissionTest | { readonly problems: readonly Problem[] } {
  const { name, principal, groups = [], attributes = {}, account, at } = written
  const named = identityNamed(principal, { groups, attributes })
  const expectations = [...expectationsOf('publish', written, path), ...expectationsOf('subscribe', written, path)]
  const problems = expectations.filter((expectation) => 'message' in expectation)
  if ('problem' in named) return { problems: [{ path: `${path}.principal`, message: named.problem }, ...problems] }
  if (problems.length > 0) return { problems }
  return {
    name: name ?? [principal, ...groups.map((group) => `group ${group}`)].join(', '),
    identity: named.identity,
    connection: connectionLike(written),
    wantedAccount: account,
    ...(at !== undefined && { atMs: Date.parse(at) }),
    expectations: expectations.filter((expectation) => 'question' in expectation),
  }
}

function expectationsOf(action: Action, written: WrittenClient, path: string): (Expectation | Problem)[] {
  return (['allow', 'deny'] as const).flatMap((expected) =>
    (written[action]?.[expected] ?? []).map((entry, index) => {
      const { subject, queue } = typeof entry === 'string' ? { subject: entry } : entry
      const parsed = parseQuestion(action, subject, queue)
      if ('problem' in parsed) return { path: `${path}.${action}.${expected}[${index}]`, message: parsed.problem }
      return { question: parsed.question, subject, expected }
    }),
  )
}
