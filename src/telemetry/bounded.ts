/** A written principal fits (512 characters); everything else that a client chooses is cut off. */
const CHARACTERS_MAX = 512

/** Cuts text that somebody else chose, and says that it did. */
export function bounded(text: string): string {
  return text.length > CHARACTERS_MAX ? `${text.slice(0, CHARACTERS_MAX)}…[${text.length} characters]` : text
}
