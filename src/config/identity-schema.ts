import { z } from 'zod'
import { claimPath, claimPaths } from './claim-path.ts'
import { claimValue } from './match-schema.ts'
import { choice, evenIfIncomplete, freeText, setting, text } from './setting.ts'

/** Names of `{{…}}` variables as `core/subject.ts` reads them; the built-in ones cannot be redefined. */
const ATTRIBUTE_NAME = /^(?!(?:subject|issuer|client_id)$)[a-z][a-z0-9_]{0,63}$/

/** Each group is one more key in the read of the grants. */
export const GROUPS_MAX = 500

function oneCharacter() {
  return text(/^[^\p{Cc}\p{Cs}]$/u, 'must be one character')
}

const clientId = z
  .strictObject({
    path: setting(claimPath().optional(), 'claim path', 'One claim that holds the client id.'),
    first_of: setting(
      claimPaths().optional(),
      'claim paths',
      'Claims that may hold the client id, in place of `path`; the first present one counts.',
      '[[client_id], [azp]]',
    ),
  })
  .refine((value) => value.path === undefined || value.first_of === undefined, {
    error: 'takes path or first_of, not both',
    when: evenIfIncomplete,
  })

const subject = z
  .strictObject({
    path: setting(
      claimPath().optional(),
      'claim path',
      'The claim that names the user, stable and never reassigned.',
      '[sub]',
    ),
    first_of: setting(
      claimPaths().optional(),
      'claim paths',
      'Claims that may name the user, in place of `path`; the first present one counts.',
    ),
    join: z
      .strictObject({
        parts: setting(claimPaths(), 'claim paths', 'Claims that name the user only together, in place of `path`.'),
        separator: setting(
          oneCharacter().optional(),
          'character',
          'Stands between the parts, `/` unless set; a part that holds it is refused.',
        ),
      })
      .optional(),
  })
  .refine((value) => [value.path, value.first_of, value.join].filter((way) => way !== undefined).length <= 1, {
    error: 'takes one of path, first_of, join',
    when: evenIfIncomplete,
  })

const KIND = 'must be auto, user, client or { client_if: { path: …, equals or prefix: … } }'

const clientIf = z
  .strictObject({ path: claimPath(), equals: claimValue().optional(), prefix: freeText().optional() })
  .refine((value) => (value.equals === undefined) !== (value.prefix === undefined), {
    error: 'needs exactly one of equals, prefix',
    when: evenIfIncomplete,
  })

const groups = z.strictObject({
  path: setting(claimPath(), 'claim path', 'The claim that lists the groups; without `groups` there are none.'),
  split: setting(
    oneCharacter().optional(),
    'character',
    'Stands between the groups of a claim that is one text; without it such a text is one group.',
  ),
  prefix: setting(freeText().optional(), 'text', 'Put before every group.'),
  max: setting(
    z
      .int('must be a whole number')
      .min(1, 'must be at least 1')
      .max(GROUPS_MAX, `must be at most ${GROUPS_MAX}`)
      .optional(),
    'number',
    `A token with more groups is refused, ${GROUPS_MAX} unless set, as is one whose issuer left them out for their number.`,
  ),
})

/** How the claims of a token become an identity. */
export const identity = z.strictObject({
  subject: subject.prefault({}),
  client_id: clientId.prefault({}),
  groups: groups.optional(),
  kind: setting(
    z
      .union([choice(['auto', 'user', 'client']), z.strictObject({ client_if: clientIf })], { error: KIND })
      .prefault('auto'),
    'auto, user, client or client_if',
    'What a token stands for; `auto` tells a client acting for itself from a user by `sub`, `client_if: { path, equals }` (or `prefix`) by a claim.',
  ),
  attributes: z
    .record(
      z.string().regex(ATTRIBUTE_NAME, 'must be a-z, 0-9 and "_", at most 64, and not subject, issuer or client_id'),
      z.strictObject({
        path: setting(claimPath(), 'claim path', 'The claim whose value stands for `{{<name>}}` in subjects.'),
      }),
    )
    .prefault({}),
  display: z
    .strictObject({
      path: setting(claimPath(), 'claim path', 'A claim with a name for people; decides nothing.'),
      requires: z
        .strictObject({
          path: setting(
            claimPath(),
            'claim path',
            'A claim such as `email_verified`; the name is left out unless it is as `equals` says.',
          ),
          equals: setting(claimValue(), 'value', 'What it has to be, exactly.', 'required in requires'),
        })
        .optional(),
    })
    .optional(),
})

export type IdentityEntry = z.output<typeof identity>
