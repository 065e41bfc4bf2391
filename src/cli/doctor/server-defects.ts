/** A defect of nats-server that concerns who gets in, what they may do, or whether it stays up for those not yet in. */
export interface ServerDefect {
  readonly what: string
  /** The first fixed version of each series that got the fix; later series have it. */
  readonly fixedIn: readonly string[]
  /** Advisory (advisories.nats.io, GitHub) or issue of nats-io/nats-server. */
  readonly source: string
}

/** Older servers are not supported: the first defect of the list lets clients in without a callout. */
export const SERVER_FLOORS = ['2.12.14', '2.14.4'] as const

export const SERVER_DEFECTS: readonly ServerDefect[] = [
  {
    what: 'with no_auth_user, PING before CONNECT gets in without a callout and without an expiry',
    fixedIn: SERVER_FLOORS,
    source: 'nats-server 2.14.4, auth_callout_test.go NoAuthUserPreConnectInvokesCallout',
  },
  {
    what: 'with no_auth_user, a client that skips CONNECT escapes the restrictions of that user',
    fixedIn: ['2.12.12', '2.14.3'],
    source: 'GHSA-hmmp-q8cx-v964',
  },
  {
    what: 'verifying the key of a callout answer can crash the server',
    fixedIn: ['2.12.12', '2.14.3'],
    source: 'nats-server #8275',
  },
  {
    what: 'retained and replayed MQTT messages pass subscribe denials',
    fixedIn: ['2.12.12', '2.14.3'],
    source: 'GHSA-7qmq-8cc4-hxwg',
  },
  {
    what: 'a NATS JWT with a malformed issuer crashes or hangs the server before any login',
    fixedIn: ['2.12.10', '2.14.2'],
    source: 'GHSA-g33f-6538-grxh',
  },
  {
    what: 'a leaf node can crash the server before its login',
    fixedIn: ['2.11.17', '2.12.8'],
    source: 'GHSA-3g5q-cfh2-cq67',
  },
  {
    what: 'a wildcard subscription passes a subscribe denial that it overlaps',
    fixedIn: ['2.11.16', '2.12.7', '2.14.0'],
    source: 'GHSA-wh7g-5m82-pmhr',
  },
  {
    what: 'a queue subscription passes a plain subscribe denial',
    fixedIn: ['2.11.16', '2.12.7', '2.14.0'],
    source: 'GHSA-jx8g-9g95-6322',
  },
  {
    what: 'with no_auth_user, routes and leaf nodes get in without credentials',
    fixedIn: ['2.11.16', '2.12.7', '2.14.0'],
    source: 'GHSA-38x3-76xf-cq45',
  },
  {
    what: 'a publish or a delivery passes a denial with a last * beside a longer one (not those that we sign)',
    fixedIn: ['2.11.12', '2.12.4'],
    source: 'nats-server #7728',
  },
  {
    what: 'connections that a callout refused late stay counted against the limit of the account',
    fixedIn: ['2.12.6'],
    source: 'nats-server #7932',
  },
  {
    what: 'MQTT passwords, and so tokens, show in the monitoring',
    fixedIn: ['2.11.15', '2.12.6'],
    source: 'CVE-2026-33216',
  },
  {
    what: 'a WebSocket client can crash the server before its login',
    fixedIn: ['2.11.14', '2.12.5'],
    source: 'CVE-2026-27889',
  },
  {
    what: 'the token of a client shows in the clear as its user',
    fixedIn: ['2.10.28', '2.11.2'],
    source: 'nats-server 2.10.28, auth_callout.go client_info.user',
  },
]

/** The known defects of a version as nats-server writes it; undefined when it cannot be read as one. */
export function defectsOf(version: string): readonly ServerDefect[] | undefined {
  const parsed = parseVersion(version)
  return parsed && SERVER_DEFECTS.filter(({ fixedIn }) => !isFixed(parsed, fixedIn))
}

interface Version {
  readonly series: number
  readonly patch: number
  readonly isPreRelease: boolean
}

function parseVersion(text: string): Version | undefined {
  const match = /^v?(\d{1,4})\.(\d{1,4})\.(\d{1,6})(-.+)?$/.exec(text)
  if (match === null) return undefined
  return {
    series: Number(match[1]) * 10_000 + Number(match[2]),
    patch: Number(match[3]),
    isPreRelease: match[4] !== undefined,
  }
}

/** A pre-release of the version with the fix may lack it. */
function isFixed(version: Version, fixedIn: readonly string[]): boolean {
  const fixes = fixedIn.map(parseVersion).filter((fix) => fix !== undefined)
  const own = fixes.find(({ series }) => series === version.series)
  if (own !== undefined) return version.patch - (version.isPreRelease ? 1 : 0) >= own.patch
  return fixes.every(({ series }) => version.series > series)
}
