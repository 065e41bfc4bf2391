import { z } from 'zod'
import type { AccountRules } from '../core/decide.ts'
import { INBOX_POLICIES } from '../core/inbox.ts'
import { connectionConditionSettings, toCondition } from './connection-schema.ts'
import { problemOfAccountKey } from './nkey-seed.ts'
import { choice, duration, evenIfIncomplete, file, setting } from './setting.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/** Public key of an account, checksum included. */
export function accountKey() {
  return z.string().superRefine((value, context) => {
    const problem = problemOfAccountKey(value)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })
}

const account = z
  .strictObject({
    public_key: setting(accountKey().optional(), 'A…', 'Operator mode: the public key of the account.'),
    signing_key_seed_file: setting(
      file().optional(),
      'file',
      'Operator mode: seed (`SA…`) of a signing key of the account, without scope, or of the account itself.',
    ),
    ...connectionConditionSettings,
    session_max: setting(
      duration({ minMs: MINUTE_MS, maxMs: 30 * DAY_MS }).optional(),
      'duration',
      'Longest session in the account, if less than `session.max`.',
    ),
    inbox: setting(
      choice(INBOX_POLICIES).optional(),
      'none, private or shared',
      'Inbox that clients may subscribe to without a grant: one of their own (`private`) or `_INBOX.>` (`shared`).',
    ),
  })
  .refine((value) => (value.public_key === undefined) === (value.signing_key_seed_file === undefined), {
    error: 'public_key and signing_key_seed_file belong together',
    when: evenIfIncomplete,
  })

/** `callout.accounts`. */
export const accountsSchema = setting(
  z
    .record(z.string().regex(/^[^\s\p{Cc}\p{Cs}]{1,128}$/u, 'must be 1 to 128 characters without white space'), account)
    .refine((accounts) => Object.keys(accounts).length > 0, 'needs at least one account, such as { APP: {} }'),
  'map of names',
  'The accounts into which clients may be placed, `{}` for one without conditions; with keys in operator mode. nats-server itself sets no limit.',
)

/** What the settings of one entry set for its clients, in our own words. */
export function toAccountRules(entry: z.output<typeof account>): AccountRules {
  const { session_max: sessionMaxMs, inbox } = entry
  return {
    ...toCondition(entry),
    ...(sessionMaxMs === undefined ? {} : { sessionMaxMs }),
    ...(inbox === undefined ? {} : { inbox }),
  }
}

const NEEDS_KEYS = 'needs public_key and signing_key_seed_file, as callout.issuer_account is set'

interface CalloutAccounts {
  readonly issuer_account?: string | undefined
  readonly issuer_seed_files: readonly string[]
  readonly accounts: z.output<typeof accountsSchema>
}

/**
 * The rules over `issuer_account`, `issuer_seed_files` and `accounts`: the first makes operator mode, and there is
 * nothing between the two modes. To be used with `evenIfIncomplete`.
 */
export function checkModeOfAccounts(callout: CalloutAccounts, context: z.core.$RefinementCtx<CalloutAccounts>): void {
  const { issuer_account: issuerAccount, issuer_seed_files: seedFiles, accounts } = callout
  const refuse = (path: PropertyKey[], message: string): void => context.addIssue({ code: 'custom', path, message })
  const entries = typeof accounts === 'object' && accounts !== null ? Object.entries(accounts) : []
  const seen = new Set<string>()
  for (const [name, entry] of entries) {
    const { public_key: publicKey, signing_key_seed_file: seedFile } = entry ?? {}
    if (publicKey === undefined) {
      if (issuerAccount !== undefined && seedFile === undefined) refuse(['accounts', name], NEEDS_KEYS)
      continue
    }
    const path = ['accounts', name, 'public_key']
    if (issuerAccount === undefined) refuse(path, 'is for operator mode, which needs callout.issuer_account')
    if (publicKey === issuerAccount) refuse(path, 'is the callout account, where the tokens of all clients arrive')
    if (seen.has(publicKey)) refuse(path, 'is the key of another account of this list')
    seen.add(publicKey)
  }
  if (issuerAccount !== undefined && Array.isArray(seedFiles) && seedFiles.length > 1)
    refuse(['issuer_seed_files'], 'holds one file in operator mode: a request does not say which key is to sign')
}

interface SessionSettings {
  readonly callout?: { readonly accounts?: z.output<typeof accountsSchema> | null }
  readonly session?: { readonly jitter?: number; readonly min_remaining?: number }
}

/** An account whose sessions were always too short would refuse everybody. To be used with `evenIfIncomplete`. */
export function checkSessionsOfAccounts(file: SessionSettings, context: z.core.$RefinementCtx<SessionSettings>): void {
  const { jitter, min_remaining: minRemainingMs } = file.session ?? {}
  if (jitter === undefined || minRemainingMs === undefined) return
  for (const [name, entry] of Object.entries(file.callout?.accounts ?? {})) {
    const maxMs = entry?.session_max
    // Below its own bound it is a problem already, or not a duration at all.
    if (maxMs === undefined || !(maxMs >= MINUTE_MS) || maxMs * (1 - jitter) > minRemainingMs) continue
    const path = ['callout', 'accounts', name, 'session_max']
    context.addIssue({
      code: 'custom',
      path,
      message: 'shortened by session.jitter, must be longer than session.min_remaining',
    })
  }
}
