/**
 * The last look at a finished log line. Nothing secret is meant to get here; this is for the error message of a library
 * that quotes what it was given. Lines are short (attacker text is bounded by `events.ts`), so a regular expression
 * each is cheap.
 */

/** Characters of a compact JWS, taken a whole run at a time: no text makes the search quadratic. */
const RUN = /[A-Za-z0-9_.-]{16,}/g
/** An nkey seed, or a PEM block of a key. */
const SECRET_SHAPES =
  /S[ACNOUX][A-Z2-7]{56}|-----BEGIN [A-Z ]{0,40}(?:PRIVATE KEY|SEED|JWT)-----(?:(?!-----END).){0,8192}/gs

/**
 * What JSON leaves as it is although terminals act on it or hide it: C1 controls, bidirectional and invisible marks,
 * line separators.
 */
const DECEPTIVE = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g

/** JOSE headers begin with `{"`, which is `eyJ` in base64url. */
const JWS_START = 'eyJ'

/** Makes a line of JSON safe to keep and to look at; it parses to the same values, secrets excepted. */
export function cleanLine(line: string): string {
  const withoutShapes = line.replace(SECRET_SHAPES, '[redacted]')
  // Ids and keys are runs as well, and each would be looked at.
  const withoutTokens = withoutShapes.includes(JWS_START) ? withoutShapes.replace(RUN, withoutJws) : withoutShapes
  return withoutTokens.replace(DECEPTIVE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The claims follow a dot, even without a signature. */
function withoutJws(run: string): string {
  const start = run.indexOf(JWS_START)
  return start === -1 || !run.includes('.', start) ? run : `${run.slice(0, start)}[redacted]`
}
