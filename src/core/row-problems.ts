import { isAccountName } from './account-name.ts'
import { parseAddressBlock } from './cidr.ts'
import { isConnectionType, SOURCE_CIDRS_MAX } from './connection-condition.ts'
import { assertNever } from './errors.ts'
import { RESPONSE_MAX_MAX, RESPONSE_TTL_MAX_MS } from './grant.ts'
import type { ValidityWindow } from './grant.ts'
import type { PolicyLabels, UnsignedRow, UnsignedTables } from './policy-row.ts'
import { problemOfLockTarget } from './locks.ts'
import { parsePrincipal } from './principal.ts'
import { problemOfResource } from './resource-action.ts'
import { parseSubjectPattern, problemOfQueue } from './subject.ts'

/** What is wrong with one field of a row; `field` is a path in the words of documents, such as `conditions.sourceCidrs[0]`. */
export interface RowProblem {
  readonly field: string
  readonly message: string
}

/** Widths of columns and bounds of the CHECK constraints: `spanner/migrations/`. */
export const NAME_CHARACTERS_MAX = 128
export const LABELS_MAX = 32
export const LABEL_CHARACTERS_MAX = 192
const OWNER_CHARACTERS_MAX = 256
const TICKET_CHARACTERS_MAX = 128
const DESCRIPTION_CHARACTERS_MAX = 1024
const MESSAGE_CHARACTERS_MAX = 256
const SESSION_MAX_MS_MAX = 31_536_000_000
/** Years 1 to 9999, as Spanner holds. */
const TIME_MS_MIN = -62_135_596_800_000
const TIME_MS_MAX = 253_402_300_799_999

export const SCOPE = /^[a-z0-9][a-z0-9._-]{0,63}$/
export const ROW_ID = /^[A-Za-z0-9_-]{1,64}$/
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u

/**
 * Everything for which the database would refuse the row, and what it lets through although it can never be right (bits after
 * a prefix length). Empty for a row that can be written.
 */
export function problemsOfRow(unsigned: UnsignedRow): RowProblem[] {
  const labels = labelProblems(unsigned.row)
  switch (unsigned.kind) {
    case 'grant':
      return [...grantProblems(unsigned.row), ...labels]
    case 'role':
      return [...roleProblems(unsigned.row), ...labels]
    case 'binding':
      return [...bindingProblems(unsigned.row), ...labels]
    case 'lock':
      return [...lockProblems(unsigned.row), ...labels]
    default:
      return assertNever(unsigned)
  }
}

function grantProblems(grant: UnsignedTables['grant']): RowProblem[] {
  const { id, principal, account, subject, queue, action, effect, response } = grant
  const principalRead = parsePrincipal(principal)
  const isRaw = action === 'publish' || action === 'subscribe'
  const mayAnswer = effect === 'allow' && (action === 'subscribe' || action === 'service:offer')
  return [
    ...when(!ROW_ID.test(id), 'id', 'must be 1 to 64 letters, digits, "_" and "-"'),
    ...('problem' in principalRead ? [{ field: 'principal', message: principalRead.problem }] : []),
    ...when(!isAccountName(account), 'account', 'must be 1 to 128 characters without white space'),
    ...subjectProblem(grant),
    ...when(!isRaw && effect === 'deny', 'subject', `${action} cannot be denied; deny its subjects`),
    ...(queue === undefined ? [] : problem('queue', problemOfQueue(queue))),
    ...when(queue !== undefined && action !== 'subscribe', 'queue', 'goes with subscribe only'),
    ...when(response !== undefined && !mayAnswer, 'response', 'goes with what may subscribe or offer a service only'),
    ...(response === undefined ? [] : responseProblems(response.max, response.ttlMs)),
    ...windowProblems(grant),
    ...conditionProblems(grant),
    ...when(subject.length > 0 && !subject.isWellFormed(), 'subject', 'is not well-formed Unicode'),
  ]
}

function subjectProblem({ action, subject }: UnsignedTables['grant']): RowProblem[] {
  if (action === 'publish' || action === 'subscribe') {
    const parsed = parseSubjectPattern(subject)
    return 'problem' in parsed ? [{ field: 'subject', message: parsed.problem }] : []
  }
  return problem('subject', problemOfResource(action, subject))
}

function responseProblems(max: number, ttlMs: number): RowProblem[] {
  return [
    ...when(!isWithin(max, 1, RESPONSE_MAX_MAX), 'response.max', `must be from 1 to ${RESPONSE_MAX_MAX}`),
    ...when(!isWithin(ttlMs, 1, RESPONSE_TTL_MAX_MS), 'response.ttl', 'must be from 1ms to 24h'),
  ]
}

function conditionProblems({ condition, effect }: UnsignedTables['grant']): RowProblem[] {
  if (condition === undefined) return []
  const { connectionTypes, sourceCidrs, tls } = condition
  const problems: RowProblem[] = []
  for (const [field, list, max] of [
    ['conditions.connectionTypes', connectionTypes, 4],
    ['conditions.sourceCidrs', sourceCidrs, SOURCE_CIDRS_MAX],
  ] as const) {
    if (list === undefined) continue
    problems.push(...when(list.length === 0 || list.length > max, field, `needs 1 to ${max} entries`))
    problems.push(...when(new Set(list).size !== list.length, field, 'names an entry twice'))
  }
  for (const [index, type] of (connectionTypes ?? []).entries())
    problems.push(...when(!isConnectionType(type), `conditions.connectionTypes[${index}]`, 'is no connection type'))
  for (const [index, cidr] of (sourceCidrs ?? []).slice(0, SOURCE_CIDRS_MAX).entries()) {
    const parsed = parseAddressBlock(cidr)
    if ('problem' in parsed) problems.push({ field: `conditions.sourceCidrs[${index}]`, message: parsed.problem })
  }
  const escaped = tls !== undefined && effect === 'deny'
  problems.push(...when(escaped, 'conditions.tls', 'does not go with a denial, which would be escaped without TLS'))
  const isEmpty = connectionTypes === undefined && sourceCidrs === undefined && tls === undefined
  problems.push(...when(isEmpty, 'conditions', 'asks nothing; leave it out'))
  return problems
}

function roleProblems({ role, sessionMaxMs, description }: UnsignedTables['role']): RowProblem[] {
  const isBad =
    sessionMaxMs !== undefined && !(isWithin(sessionMaxMs, 1000, SESSION_MAX_MS_MAX) && sessionMaxMs % 1000 === 0)
  return [
    ...roleNameProblems('role', role),
    ...when(isBad, 'sessionMax', 'must be from 1s to 8760h in whole seconds'),
    ...textProblems('description', description, DESCRIPTION_CHARACTERS_MAX),
  ]
}

function bindingProblems(binding: UnsignedTables['binding']): RowProblem[] {
  const { member, role } = binding
  const parsed = parsePrincipal(member)
  return [
    ...('problem' in parsed ? [{ field: 'member', message: parsed.problem }] : []),
    ...when(member.startsWith('role:'), 'member', 'is a role; a role cannot be bound to a role'),
    ...roleNameProblems('role', role),
    ...windowProblems(binding),
  ]
}

function roleNameProblems(field: string, role: string): RowProblem[] {
  if (!role.startsWith('role:')) return [{ field, message: 'must be "role:<name>"' }]
  const parsed = parsePrincipal(role)
  return 'problem' in parsed ? [{ field, message: parsed.problem }] : []
}

function lockProblems({ id, target, sourceCidr, message, expiresAtMs }: UnsignedTables['lock']): RowProblem[] {
  const block = sourceCidr === undefined ? undefined : parseAddressBlock(sourceCidr)
  return [
    ...when(!ROW_ID.test(id), 'id', 'must be 1 to 64 letters, digits, "_" and "-"'),
    ...problem('target', problemOfLockTarget(target)),
    ...when(
      (target === 'address') !== (sourceCidr !== undefined),
      'target',
      'of an address needs a block, and no other does',
    ),
    ...(block !== undefined && 'problem' in block ? [{ field: 'target', message: block.problem }] : []),
    ...textProblems('message', message, MESSAGE_CHARACTERS_MAX),
    ...timeProblems('expires', expiresAtMs),
  ]
}

function labelProblems({ name, scope, owner, ticket, labels }: PolicyLabels): RowProblem[] {
  return [
    ...textProblems('name', name, NAME_CHARACTERS_MAX),
    ...when(
      scope !== undefined && !SCOPE.test(scope),
      'scope',
      'must be lower-case letters, digits, ".", "_", "-", at most 64',
    ),
    ...textProblems('owner', owner, OWNER_CHARACTERS_MAX),
    ...textProblems('ticket', ticket, TICKET_CHARACTERS_MAX),
    ...when((labels?.length ?? 0) > LABELS_MAX, 'labels', `has more than ${LABELS_MAX} entries`),
    ...(labels ?? []).flatMap((label) => labelProblem(label)),
  ]
}

function labelProblem(label: string): RowProblem[] {
  const equals = label.indexOf('=')
  if (equals < 1) return [{ field: 'labels', message: 'holds a label that is not "key=value"' }]
  return textProblems('labels', label, LABEL_CHARACTERS_MAX)
}

function windowProblems({ validFromMs, validUntilMs }: ValidityWindow): RowProblem[] {
  const isReversed = validFromMs !== undefined && validUntilMs !== undefined && validFromMs >= validUntilMs
  return [
    ...timeProblems('validFrom', validFromMs),
    ...timeProblems('validUntil', validUntilMs),
    ...when(isReversed, 'validUntil', 'must be later than validFrom'),
  ]
}

function timeProblems(field: string, ms: number | undefined): RowProblem[] {
  return when(ms !== undefined && !isWithin(ms, TIME_MS_MIN, TIME_MS_MAX), field, 'must be in the years 1 to 9999')
}

function textProblems(field: string, text: string | undefined, charactersMax: number): RowProblem[] {
  if (text === undefined) return []
  if (text.trim() === '') return [{ field, message: 'must not be empty' }]
  if (text.length > charactersMax) return [{ field, message: `must be at most ${charactersMax} characters` }]
  return when(UNPRINTABLE.test(text), field, 'must not hold control characters')
}

function isWithin(number: number, min: number, max: number): boolean {
  return Number.isSafeInteger(number) && number >= min && number <= max
}

function problem(field: string, message: string | undefined): RowProblem[] {
  return message === undefined ? [] : [{ field, message }]
}

function when(isWrong: boolean, field: string, message: string): RowProblem[] {
  return isWrong ? [{ field, message }] : []
}
