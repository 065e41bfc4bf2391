import { compareVersions } from './locate-nats-server.ts'

/**
 * Settings of the reference configurations and of the tests that an old nats-server does not know, and does not start with.
 * Source: nats-server `server/opts.go` by tag.
 */
const FIRST_VERSIONS: Readonly<Record<string, string>> = {
  allowed_accounts: '2.11.0',
  default_sentinel: '2.11.2',
  pass_cookie: '2.11.0',
  token_cookie: '2.11.0',
}

export function knowsSetting(version: string, name: string): boolean {
  return compareVersions(version, FIRST_VERSIONS[name] ?? '0.0.0') >= 0
}

/** The configuration without the lines that nats-server of this version does not know, to test against an old one. */
export function withKnownSettings(config: string, version: string): string {
  const unknown = Object.keys(FIRST_VERSIONS).filter((name) => !knowsSetting(version, name))
  return unknown.reduce((text, name) => text.replace(new RegExp(`^\\s*${name}:.*$`, 'm'), ''), config)
}
