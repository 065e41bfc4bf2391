import { z } from 'zod'
import { urlText } from './issuer-keys-schema.ts'
import { choice, duration, evenIfIncomplete, file, freeText, setting, text } from './setting.ts'
import { SIGNATURE_ALGORITHMS } from './signature-algorithms.ts'
import { problemOfKeysUrl } from './url.ts'

/** How an issuer is asked about its opaque tokens (RFC 7662). */
export const introspection = z
  .strictObject({
    endpoint: setting(
      urlText(problemOfKeysUrl).optional(),
      'URL',
      'Where the issuer is asked, if not at the `introspection_endpoint` of its metadata.',
    ),
    client_id: setting(freeText(), 'text', 'The client as which the issuer is asked.'),
    auth: setting(
      choice(['client_secret_basic', 'client_secret_post', 'private_key_jwt']).prefault('client_secret_basic'),
      'client_secret_basic, client_secret_post or private_key_jwt',
      'How that client proves itself; assertions of `private_key_jwt` have the issuer as their audience.',
    ),
    client_secret_file: setting(file().optional(), 'file', 'Secret of the client; read anew for each question.'),
    private_key_file: setting(
      file().optional(),
      'file',
      'Private key for `private_key_jwt`, PEM without a password; read anew for each question.',
    ),
    algorithm: setting(
      choice(SIGNATURE_ALGORITHMS, ' (only algorithms with public keys)').optional(),
      'name',
      'Signature algorithm for `private_key_jwt`.',
    ),
    key_id: setting(freeText().optional(), 'text', '`kid` for `private_key_jwt`, if the issuer asks for one.'),
    cache: setting(
      duration({ minMs: 0, maxMs: 30_000 }).prefault('30s'),
      'duration',
      'How long the answer that a token is active is used; a revoked token is accepted for at most this long.',
    ),
    negative_cache: setting(
      duration({ minMs: 0, maxMs: 5_000 }).prefault('2s'),
      'duration',
      'How long the answer that a token is not active is used.',
    ),
    token_prefix: setting(
      text(/^[A-Za-z0-9._~+/-]{1,64}$/, 'must be 1 to 64 of the characters of a bearer token').optional(),
      'text',
      'What opaque tokens of this issuer start with. One issuer may do without: it gets those that fit no prefix.',
    ),
    max_in_flight: setting(
      z.int('must be a whole number').min(1, 'must be at least 1').max(1024, 'must be at most 1024').prefault(64),
      'number',
      'Questions to the issuer at once; more are refused at once with `overloaded`.',
    ),
  })
  .refine(({ auth, client_secret_file: secret }) => (auth === 'private_key_jwt') === (secret === undefined), {
    error: 'goes with client_secret_basic and client_secret_post, and only with these',
    path: ['client_secret_file'],
    when: evenIfIncomplete,
  })
  .refine(
    ({ auth, private_key_file: key, algorithm, key_id: keyId }) =>
      auth === 'private_key_jwt'
        ? key !== undefined && algorithm !== undefined
        : key === undefined && algorithm === undefined && keyId === undefined,
    {
      error: 'goes with private_key_jwt and algorithm, and only with these',
      path: ['private_key_file'],
      when: evenIfIncomplete,
    },
  )

export type IntrospectionEntry = z.output<typeof introspection>
