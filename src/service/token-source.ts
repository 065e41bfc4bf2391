import type { DenyReason } from '../core/reasons.ts'
import type { AuthorizationRequest, TokenSource } from '../core/request.ts'

/**
 * Takes the token from the configured sources, in order. Two sources with different content deny: which one the client
 * meant is not for us to guess. nats-server copies an MQTT password into both places, so equal content is one token.
 * A password that sits beside a token counts only if `password` is a configured source.
 */
export function tokenOf(
  { credentials }: AuthorizationRequest,
  sources: readonly TokenSource[],
  bytesMax: number,
): { token: string } | { reason: DenyReason; detail: string } {
  const found = new Set<string>()
  for (const source of sources) {
    const value = source === 'auth_token' ? credentials.authToken : credentials.password
    if (value !== undefined && value !== '') found.add(value)
  }
  const [token, another] = found
  if (token === undefined) return { reason: 'token_missing', detail: `nothing in ${sources.join(', ')}` }
  if (another !== undefined) return { reason: 'token_ambiguous', detail: `different content in ${sources.join(', ')}` }
  const bytes = new TextEncoder().encode(token).length
  if (bytes > bytesMax) return { reason: 'token_oversized', detail: `${bytes} bytes, at most ${bytesMax}` }
  return { token }
}
