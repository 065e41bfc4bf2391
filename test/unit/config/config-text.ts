import { parse, stringify } from 'yaml'

/** The smallest complete configuration. */
export const MINIMAL = `
nats:
  servers: [nats://127.0.0.1:4222]
  user: auth
  password_file: secrets/auth.password
callout:
  issuer_seed_files: [secrets/issuer.nk]
  accounts: { APP: {} }
issuers:
  - id: corp
    issuer: https://idp.example/realms/prod
    keys: { discovery: {} }
    algorithms: [RS256]
    audiences: [nats]
store: { url: "spanner://projects/p/instances/i/databases/d" }
`

/** `MINIMAL` with the setting at a path such as `issuers.0.algorithms` replaced, or removed by `undefined`. */
export function configWith(changes: Readonly<Record<string, unknown>>): string {
  const root: unknown = parse(MINIMAL)
  for (const [path, value] of Object.entries(changes)) {
    const keys = path.split('.')
    const last = keys.pop() ?? ''
    let node = root as Record<string, unknown>
    for (const key of keys) {
      node[key] ??= {}
      node = node[key] as Record<string, unknown>
    }
    if (value === undefined) delete node[last]
    else node[last] = value
  }
  return stringify(root)
}
