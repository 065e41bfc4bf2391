import { isAccountName } from './account-name.ts'
import { blockHolds, parseAddressBlock, parseIpAddress, type AddressBlock } from './cidr.ts'
import type { Lock } from './grant.ts'
import type { Identity } from './identity.ts'
import { lockablePrincipals, parsePrincipal, PRINCIPAL_CHARACTERS_MAX } from './principal.ts'

const EVERYONE = 'everyone'
const ADDRESS = 'address'
const NAMED_TARGET = /^(?:user|client|group|issuer|token):/
/** In the written form, before the block of addresses. */
const ADDRESS_PREFIX = `${ADDRESS}:`

/**
 * Locks on addresses are read and looked at for every client. So many cost a decision some 0.4 ms; who has more addresses
 * to keep out has a firewall for it.
 */
export const ADDRESS_LOCKS_MAX = 1000
/** Blocks are the same from decision to decision, and to parse one takes as long as to look at forty. */
const parsedBlocks = new Map<string, AddressBlock | undefined>()

/** Named in one refusal; an admin who lifts these sees the others next. */
const LOCKS_NAMED_MAX = 32
const LOCKS_DESCRIBED_MAX = 3

/** What a lock is on, as it is stored. */
export type LockTarget = Pick<Lock, 'target' | 'sourceCidr'>

/**
 * Parses what people write for a target: a principal that is no role, `account:<name>`, `token:<issuer id>:<token id>`,
 * `address:<block>` or `everyone`. A block is written exactly, as in the conditions of grants.
 */
export function parseLockTarget(text: string): { readonly target: LockTarget } | { readonly problem: string } {
  if (text.startsWith(ADDRESS_PREFIX)) {
    const sourceCidr = text.slice(ADDRESS_PREFIX.length)
    const parsed = parseAddressBlock(sourceCidr)
    return 'problem' in parsed
      ? { problem: `the block ${parsed.problem}` }
      : { target: { target: ADDRESS, sourceCidr } }
  }
  if (text === ADDRESS) return { problem: 'write "address:<block>", such as "address:10.0.0.0/8"' }
  const problem = problemOfLockTarget(text)
  return problem === undefined ? { target: { target: text } } : { problem }
}

/** What keeps a text from being the stored target of a lock, if anything; the same as its CHECK constraint. */
export function problemOfLockTarget(target: string): string | undefined {
  if (target === EVERYONE || target === ADDRESS) return undefined
  if (target.startsWith('account:')) {
    const isName = isAccountName(target.slice('account:'.length))
    return isName ? undefined : 'an account has 1 to 128 characters without white space'
  }
  if (target.startsWith('role:')) return 'a role cannot be locked: lock its members, or unbind them'
  if (!NAMED_TARGET.test(target)) {
    return 'a target starts with "user:", "client:", "group:", "issuer:", "account:", "token:" or "address:", or is "everyone"'
  }
  const isToken = target.startsWith('token:')
  if (isToken && target.length > PRINCIPAL_CHARACTERS_MAX)
    return `the target is longer than ${PRINCIPAL_CHARACTERS_MAX} characters`
  const parsed = parsePrincipal(isToken ? `user:${target.slice('token:'.length)}` : target)
  if (!('problem' in parsed)) return undefined
  return isToken ? 'write "token:<issuer id>:<token id>"' : parsed.problem
}

/** Whether the key is one under which only locks are stored: no principal, so nothing is granted or bound to it. */
export function isLockTargetOnly(key: string): boolean {
  return key === EVERYONE || key === ADDRESS || /^(?:account|token):/.test(key)
}

/** As `parseLockTarget` reads it. */
export function writtenLockTarget({ target, sourceCidr }: LockTarget): string {
  return sourceCidr === undefined ? target : `${target}:${sourceCidr}`
}

/**
 * The targets of every lock that can stop this identity, in whatever account it would be placed: keys to read them by. Besides
 * those, the list holds every principal whose grants and roles the identity has.
 */
export function lockKeys(identity: Identity, accounts: Iterable<string>): string[] {
  return [...lockTargets(identity), ADDRESS, ...Array.from(accounts, accountTarget)]
}

/**
 * The locks that hold for a client at `nowMs`, wherever it would be placed. An address that nobody can read, and a block that nobody
 * can read, may be any: such a lock holds, because a client that is hard to place must not get past it by that.
 * Locks on others are ignored, so a store that returns too much locks nobody out.
 */
export function locksOnClient(
  identity: Identity,
  { host }: { readonly host: string },
  locks: readonly Lock[],
  nowMs: number,
): Lock[] {
  if (locks.length === 0) return []
  const targets = new Set(lockTargets(identity))
  const address = parseIpAddress(host)
  const isOn = ({ target, sourceCidr = '' }: Lock): boolean => {
    if (target !== ADDRESS) return targets.has(target)
    if (address === undefined) return true
    const block = blockOf(sourceCidr)
    return block === undefined || blockHolds(block, address)
  }
  return locks.filter((lock) => isInForce(lock, nowMs) && isOn(lock))
}

/** The locks that hold at `nowMs` for whoever is placed in the account. */
export function locksOnAccount(account: string, locks: readonly Lock[], nowMs: number): Lock[] {
  const target = accountTarget(account)
  return locks.filter((lock) => lock.target === target && isInForce(lock, nowMs))
}

/** What the refusal of a locked client says to operators. */
export function namedLocks(locks: readonly Lock[]): { readonly lockIds: string[]; readonly detail: string } {
  const described = locks
    .slice(0, LOCKS_DESCRIBED_MAX)
    .map((lock) => `${writtenLockTarget(lock)}${lock.message === undefined ? '' : `: ${lock.message}`}`)
  const more = locks.length - described.length
  return {
    lockIds: locks.slice(0, LOCKS_NAMED_MAX).map(({ id }) => id),
    detail: [...described, ...(more > 0 ? [`${more} more`] : [])].join('; '),
  }
}

/** What names this identity wherever it comes from and is placed: its principals, its token and everyone. */
export function lockTargets(identity: Identity): string[] {
  const { issuerId, token } = identity
  return [
    ...lockablePrincipals(identity),
    ...(token.id === undefined ? [] : [`token:${issuerId}:${token.id}`]),
    EVERYONE,
  ]
}

/** Undefined for a block that cannot be read. */
function blockOf(sourceCidr: string): AddressBlock | undefined {
  const known = parsedBlocks.get(sourceCidr)
  if (known !== undefined || parsedBlocks.has(sourceCidr)) return known
  const parsed = parseAddressBlock(sourceCidr)
  const block = 'problem' in parsed ? undefined : parsed.block
  if (parsedBlocks.size >= 2 * ADDRESS_LOCKS_MAX) parsedBlocks.clear()
  parsedBlocks.set(sourceCidr, block)
  return block
}

function accountTarget(account: string): string {
  return `account:${account}`
}

export function isInForce({ expiresAtMs }: Lock, nowMs: number): boolean {
  return expiresAtMs === undefined || expiresAtMs > nowMs
}
