import { z } from 'zod'
import { distinctList, duration, evenIfIncomplete, file, freeText, setting, size, text } from './setting.ts'
import { problemOfKeysUrl, problemOfProxyUrl } from './url.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

/** Metadata and keys of one provider are spread over a few hosts at most. */
const HOSTS_MAX = 16

/** A URL that `problemOf` finds nothing wrong with. */
export function urlText(problemOf: (value: string) => string | undefined) {
  return freeText().superRefine((value, context) => {
    const problem = problemOf(value)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })
}

/** Where the keys of an issuer come from. */
export const keyOrigin = z
  .strictObject({
    discovery: z
      .strictObject({
        url: setting(
          urlText(problemOfKeysUrl).optional(),
          'URL',
          'Where the provider metadata is, if not at `<issuer>/.well-known/openid-configuration`.',
        ),
      })
      .optional(),
    jwks_uri: setting(urlText(problemOfKeysUrl).optional(), 'URL', 'The key set itself, without discovery.'),
    jwks_file: setting(file().optional(), 'file', 'A key set in a file, for issuers that cannot be reached.'),
  })
  .refine(
    (value) => [value.discovery, value.jwks_uri, value.jwks_file].filter((key) => key !== undefined).length === 1,
    {
      error: 'needs exactly one of discovery, jwks_uri, jwks_file',
      when: evenIfIncomplete,
    },
  )

/** How discovery documents and key sets are fetched. */
export const keyHttp = z.strictObject({
  timeout: setting(
    duration({ minMs: 100, maxMs: 10_000 }).prefault('1s'),
    'duration',
    'For one request to the issuer.',
  ),
  max_bytes: setting(
    size({ min: 1024, max: 4 * 1024 * 1024 }).prefault(262_144),
    'size',
    'Larger metadata and key sets are refused; at most 4MiB.',
  ),
  ca_file: setting(
    file().optional(),
    'file',
    'Certificates to trust for this issuer in place of those of the system, PEM.',
  ),
  bearer_token_file: setting(
    file().optional(),
    'file',
    'Token to send when fetching keys, such as that of a Kubernetes service account; read anew for each fetch.',
  ),
  proxy: setting(urlText(problemOfProxyUrl).optional(), 'URL', 'HTTP proxy through which the issuer is reached.'),
  allowed_hosts: setting(
    distinctList(
      text(
        /^(?:[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?$/,
        'must be a host in lower case, with a port if it is not that of the scheme',
      ),
      { min: 1, max: HOSTS_MAX },
    ).optional(),
    'list of hosts',
    'When set, metadata and keys are fetched from these hosts only, whatever the metadata says.',
  ),
})

/** When keys are fetched again. */
export const keyRefresh = z
  .strictObject({
    interval: setting(
      duration({ minMs: 10 * SECOND_MS, maxMs: 24 * HOUR_MS }).prefault('5m'),
      'duration',
      'How often keys are fetched in the background; a withdrawn key is accepted for at most this long.',
    ),
    min_interval: setting(
      duration({ minMs: SECOND_MS, maxMs: HOUR_MS }).prefault('10s'),
      'duration',
      'Least time between two fetches, whatever key ids arrive; a new key is found after at most this long.',
    ),
    max_stale: setting(
      duration({ minMs: MINUTE_MS, maxMs: 7 * 24 * HOUR_MS }).prefault('12h'),
      'duration',
      'How long known keys are used while the issuer cannot be reached.',
    ),
    backoff_min: setting(
      duration({ minMs: 100, maxMs: MINUTE_MS }).prefault('1s'),
      'duration',
      'Pause after a failed fetch; doubles with each further one.',
    ),
    backoff_max: setting(
      duration({ minMs: SECOND_MS, maxMs: HOUR_MS }).prefault('60s'),
      'duration',
      'Longest pause after failed fetches.',
    ),
  })
  .refine(({ interval, min_interval }) => !(min_interval > interval), {
    error: 'min_interval must not be longer than interval',
    when: evenIfIncomplete,
  })
  .refine(({ interval, max_stale }) => !(max_stale < interval), {
    error: 'max_stale must not be shorter than interval',
    when: evenIfIncomplete,
  })
  .refine(({ backoff_min, backoff_max }) => !(backoff_min > backoff_max), {
    error: 'backoff_min must not be longer than backoff_max',
    when: evenIfIncomplete,
  })
