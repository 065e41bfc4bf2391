import { userInfo } from 'node:os'
import type { Author } from '../service/policy-edit.ts'
import type { EditOptions } from './command-options.ts'
import { usageFailure } from './io.ts'

/** Widths of the columns `Reason` and `CreatedBy`. */
const REASON_CHARACTERS_MAX = 1024
const ACTOR_CHARACTERS_MAX = 256

/** Who is making the change: `--actor`, or the user of the operating system. */
export function actorOf(option: string | undefined): string {
  const actor = option ?? systemUser()
  if (actor === undefined)
    throw usageFailure('the operating system does not name its user; say who you are with --actor')
  return checked(actor, '--actor', ACTOR_CHARACTERS_MAX)
}

/** Why the change is made; asked for with every write. */
export function reasonOf(option: string): string {
  return checked(option, '--reason', REASON_CHARACTERS_MAX)
}

/** Both. Throws a usage failure when one of them cannot be. */
export function authorOf({ reason, actor }: EditOptions): Author {
  return { reason: reasonOf(reason), actor: actorOf(actor) }
}

/** A text of one line that is stored and shown. Throws a usage failure that names the option. */
export function checked(text: string, option: string, charactersMax: number): string {
  if (text.trim() === '') throw usageFailure(`${option} must not be empty`)
  if (text.length > charactersMax) throw usageFailure(`${option} must be at most ${charactersMax} characters`)
  if (/[\p{Cc}\p{Cs}]/u.test(text)) throw usageFailure(`${option} must not hold control characters`)
  return text
}

function systemUser(): string | undefined {
  try {
    return userInfo().username
  } catch {
    // A container may run under an id that has no name.
    return undefined
  }
}
