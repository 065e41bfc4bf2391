import { z } from 'zod'
import { claimPath } from './claim-path.ts'
import { evenIfIncomplete, freeText, list, setting } from './setting.ts'

/** Rules that somebody wrote by hand, and values of one rule: tenants, repositories, roles. */
const RULES_MAX = 32
const VALUES_MAX = 256
const VALUE_CHARACTERS_MAX = 1024

const OPERATORS = ['equals', 'any_of', 'all_of', 'none_of', 'prefix', 'glob', 'present', 'absent'] as const

const KINDS = 'must be text, true, false or a whole number'

/** A value that a claim is compared with, by `===`. A fraction is no claim that anybody matches on. */
export function claimValue() {
  return z.union([z.string().max(VALUE_CHARACTERS_MAX), z.boolean(), z.int()], { error: KINDS })
}

function values() {
  return list(claimValue(), { min: 1, max: VALUES_MAX }).optional()
}

function flag() {
  return z.literal(true, 'must be true').optional()
}

const rule = z
  .strictObject({
    path: setting(claimPath(), 'claim path', 'The claim that the rule is about.', 'required in match'),
    equals: setting(claimValue().optional(), 'value', 'The claim is exactly this; the text "true" is not true.'),
    any_of: setting(values(), 'list of values', 'The claim, or an element of it, is one of these.'),
    all_of: setting(values(), 'list of values', 'Each of these is the claim or an element of it.'),
    none_of: setting(values(), 'list of values', 'Neither the claim nor an element of it is one of these.'),
    prefix: setting(freeText().optional(), 'text', 'The claim starts with this.'),
    glob: setting(freeText().optional(), 'text', 'The whole claim fits, `*` standing for any run of characters.'),
    present: setting(flag(), 'true', 'The claim is there and not null.'),
    absent: setting(flag(), 'true', 'The claim is not there.'),
  })
  .refine((value) => OPERATORS.filter((operator) => value[operator] !== undefined).length === 1, {
    error: `needs exactly one of ${OPERATORS.join(', ')}`,
    when: evenIfIncomplete,
  })

/** What claims have to be, besides what every token is checked for. */
export const matchRules = list(rule, { min: 0, max: RULES_MAX })

export type MatchEntry = z.output<typeof rule>
