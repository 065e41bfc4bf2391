import type { Actor, Identity } from './identity.ts'

export const PRINCIPAL_KINDS = ['user', 'client', 'group', 'issuer', 'role'] as const
export type PrincipalKind = (typeof PRINCIPAL_KINDS)[number]

/** A parsed principal; `name` is absent for `issuer`, `issuerId` for `role`. */
export interface Principal {
  readonly kind: PrincipalKind
  readonly issuerId?: string
  readonly name?: string
}

export const ISSUER_ID = /^[a-z0-9][a-z0-9-]{0,62}$/
const ROLE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
/** Control characters and lone surrogates cannot be told apart by the people who read rows. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u
/** Width of the `Principal` columns; a subject is at most 255 bytes, see `oidc/`. */
export const PRINCIPAL_CHARACTERS_MAX = 512

/**
 * Parses the written form: `user:<issuer id>:<subject>`, `client:<issuer id>:<client id>`, `group:<issuer id>:<group>`,
 * `issuer:<issuer id>`, `role:<name>`. Everything after the second colon is literal, colons included.
 */
export function parsePrincipal(text: string): { principal: Principal } | { problem: string } {
  if (text.length > PRINCIPAL_CHARACTERS_MAX)
    return { problem: `the principal is longer than ${PRINCIPAL_CHARACTERS_MAX} characters` }
  if (UNPRINTABLE.test(text)) return { problem: 'the principal holds a control character' }
  const [kind, rest] = splitOnce(text)
  if (!isPrincipalKind(kind) || rest === undefined) {
    return { problem: `a principal starts with ${PRINCIPAL_KINDS.map((known) => `"${known}:"`).join(', ')}` }
  }
  if (kind === 'role') {
    return ROLE_NAME.test(rest)
      ? { principal: { kind, name: rest } }
      : { problem: 'a role name holds letters, digits, ".", "_" and "-"' }
  }
  const [issuerId, name] = splitOnce(rest)
  if (!ISSUER_ID.test(issuerId)) return { problem: 'an issuer id holds lower-case letters, digits and "-", at most 63' }
  if (kind === 'issuer')
    return name === undefined
      ? { principal: { kind, issuerId } }
      : { problem: 'write "issuer:<issuer id>", nothing more' }
  if (name === undefined || name === '') return { problem: `write "${kind}:<issuer id>:<name>"` }
  return { principal: { kind, issuerId, name } }
}

function splitOnce(text: string): [string, string | undefined] {
  const colon = text.indexOf(':')
  return colon === -1 ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)]
}

function isPrincipalKind(text: string): text is PrincipalKind {
  return (PRINCIPAL_KINDS as readonly string[]).includes(text)
}

/** The one principal that stands for this identity in the audit, in the user JWT and in CONNZ. */
export function principalOf(identity: Identity): string {
  return `${identity.kind}:${identity.issuerId}:${identity.subject}`
}

/** The identity that a user or client of this name has, with nothing said of its token; only such a one connects. */
export function identityNamed(
  text: string,
  { groups, attributes }: Pick<Identity, 'groups' | 'attributes'>,
): { identity: Identity } | { problem: string } {
  const parsed = parsePrincipal(text)
  if ('problem' in parsed) return parsed
  const { kind, issuerId, name } = parsed.principal
  if ((kind !== 'user' && kind !== 'client') || issuerId === undefined || name === undefined)
    return { problem: 'only a user or a client connects: name one of them, and say its groups beside' }
  const client = kind === 'client' ? { clientId: name } : {}
  return { identity: { issuerId, kind, subject: name, ...client, groups, attributes, token: {} } }
}

/** Every principal whose grants this identity may use. Roles are added by the bindings that the store holds. */
export function grantedPrincipals(identity: Identity): string[] {
  return [
    principalOf(identity),
    ...identity.groups.map((group) => `group:${identity.issuerId}:${group}`),
    `issuer:${identity.issuerId}`,
  ]
}

/**
 * Every principal whose lock stops this identity: those above, the client that a user came through, and whoever acts
 * for it now, unless certainly of another issuer (prior actors are not for access control, RFC 8693 §4.1). The *grants* of that client
 * or actor are for it acting for itself; a user must not gain them (RFC 9700 §4.15, client and user name spaces).
 */
export function lockablePrincipals(identity: Identity): string[] {
  const principals = grantedPrincipals(identity)
  if (identity.kind === 'user' && identity.clientId !== undefined)
    principals.push(`client:${identity.issuerId}:${identity.clientId}`)
  const [actor] = identity.actors ?? []
  if (actor !== undefined && isPerhapsOfIssuer(actor, identity)) {
    const names = [actor.subject, actor.clientId].filter((name) => name !== undefined)
    for (const name of names) {
      principals.push(`user:${identity.issuerId}:${name}`, `client:${identity.issuerId}:${name}`)
    }
  }
  return principals
}

/** Not every token names its issuer (RFC 7662 §2.2, JWT-SVID); its actor may do so all the same, and must not get past a lock by that. */
function isPerhapsOfIssuer({ issuer }: Actor, { token }: Identity): boolean {
  return issuer === undefined || token.issuer === undefined || issuer === token.issuer
}
