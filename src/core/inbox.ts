import type { Identity } from './identity.ts'

/** What clients of an account may subscribe to for the answers to their requests, without a grant. */
export const INBOX_POLICIES = ['none', 'private', 'shared'] as const
export type InboxPolicy = (typeof INBOX_POLICIES)[number]

/** The subject of the policy for this identity; undefined for `none`. */
export function inboxSubject(policy: InboxPolicy, identity: Identity): string | undefined {
  if (policy === 'none') return undefined
  return policy === 'shared' ? '_INBOX.>' : `${privateInboxPrefix(identity)}.>`
}

/**
 * The inbox prefix of a principal, to be set in its clients: `_INBOX_<kind>_<issuer id>_<subject>`, one token. In the subject, letters of
 * ASCII, digits, `_` and `-` stay and every other byte of its UTF-8 is `%` with two digits (RFC 3986 §2.1). Neither kind
 * nor issuer id holds a `_`, and `%` itself is encoded, so no two principals have the same prefix; and since it is a whole
 * token, none is the beginning of another.
 */
export function privateInboxPrefix({ kind, issuerId, subject }: Identity): string {
  return `_INBOX_${kind}_${issuerId}_${encoded(subject)}`
}

function encoded(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => {
    const character = String.fromCharCode(byte)
    return /[A-Za-z0-9_-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')
}
