/** A server without a name of its own has its id as name, 56 characters. */
export function shortName(name: string): string {
  return /^N[A-Z2-7]{55}$/.test(name) ? `${name.slice(0, 8)}…` : name
}
