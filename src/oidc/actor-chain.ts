import type { Actor } from '../core/identity.ts'
import { checkPrincipalText } from './principal-text.ts'
import { describeValue, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { isJsonObject, readMember } from './strict-json.ts'
import type { JsonObject } from './strict-json.ts'

/** An agent that acts for an agent that acts for a user is three; a longer chain is no delegation that anybody follows. */
const ACTORS_MAX = 5

/**
 * Reads the `act` claim (RFC 8693 §4.1): who acts for the subject, the current actor first, then those before it.
 * Empty when nobody does. A chain that cannot be read whole is refused, for it would be recorded wrong.
 */
export function readActors(claims: JsonObject): readonly Actor[] | Refusal {
  const actors: Actor[] = []
  for (let value = readMember(claims, 'act'); value !== undefined; value = readMember(value, 'act')) {
    if (!isJsonObject(value)) return refuse('claim_invalid', `"act" is ${describeValue(value)}, not an object`)
    if (actors.length === ACTORS_MAX) return refuse('claim_invalid', `"act" nests deeper than ${ACTORS_MAX}`)
    const actor = readActor(value)
    if ('reason' in actor) return actor
    actors.push(actor)
  }
  return actors
}

function readActor(value: JsonObject): Actor | Refusal {
  const texts: { subject?: string; issuer?: string; clientId?: string } = {}
  for (const [name, key] of [
    ['sub', 'subject'],
    ['iss', 'issuer'],
    ['client_id', 'clientId'],
  ] as const) {
    const member = readMember(value, name)
    if (member === undefined) continue
    const text = checkPrincipalText(['act', name], member)
    if (typeof text !== 'string') return text
    texts[key] = text
  }
  if (texts.subject !== undefined || texts.clientId !== undefined) return texts
  return refuse('claim_missing', '"act" names nobody')
}
