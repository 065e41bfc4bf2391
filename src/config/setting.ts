import { z } from 'zod'
import { formatDuration, parseDuration, parsePercentage, parseSize, type Parsed } from './units.ts'

/** What the reference table says about a setting beside its path and its default. */
export interface SettingNotes {
  readonly type: string
  readonly meaning: string
  /** The default, where it is not a single value that the schema fills in. */
  readonly default?: string
}

/** Notes of every leaf of the schema; `reference.ts` walks the schema and looks them up here. */
export const SETTING_NOTES: z.core.$ZodRegistry<SettingNotes> = z.registry<SettingNotes>()

/** Attaches the notes to a finished leaf, after `prefault` or `optional`: zod keeps them with the instance. */
export function setting<S extends z.ZodType>(schema: S, type: string, meaning: string, shownDefault?: string): S {
  SETTING_NOTES.add(schema, { type, meaning, ...(shownDefault === undefined ? {} : { default: shownDefault }) })
  return schema
}

/** Lets a rule over several settings run although one of them is wrong, so that every problem shows at once. */
export const evenIfIncomplete = ({ value }: { readonly value: unknown }): boolean =>
  typeof value === 'object' && value !== null

function parsed<T>(parse: (input: unknown) => Parsed<T>, problemOf: (value: T) => string | undefined) {
  return z.unknown().transform((input, context): T => {
    if (input === undefined) {
      context.addIssue({ code: 'custom', message: 'is required' })
      return z.NEVER
    }
    const result = parse(input)
    const problem = 'problem' in result ? result.problem : problemOf(result.value)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
    return 'value' in result ? result.value : z.NEVER
  })
}

/** Milliseconds, from text with a unit; `why` is the reason of the bounds, shown when they are broken. */
export function duration(bounds: { readonly minMs: number; readonly maxMs: number; readonly why?: string }) {
  const [min, max] = [formatDuration(bounds.minMs), formatDuration(bounds.maxMs)]
  const range = min === max ? `must be ${min}` : `must be from ${min} to ${max}`
  const problem = bounds.why === undefined ? range : `${range}: ${bounds.why}`
  return parsed(parseDuration, (ms) => (ms < bounds.minMs || ms > bounds.maxMs ? problem : undefined))
}

/** Bytes, from a number or text with a unit. */
export function size(bounds: { readonly min: number; readonly max: number }) {
  return parsed(parseSize, (bytes) =>
    bytes < bounds.min || bytes > bounds.max ? `must be from ${bounds.min} to ${bounds.max} bytes` : undefined,
  )
}

/** A fraction of 1, from text with a percent sign. */
export function percentage(bounds: { readonly max: number }) {
  return parsed(parsePercentage, (fraction) =>
    fraction > bounds.max ? `must be at most ${bounds.max * 100}%` : undefined,
  )
}

/** Text of a pattern; `problem` reads on from the path of the setting. */
export function text(pattern: RegExp, problem: string) {
  return z.string().regex(pattern, problem)
}

/** Longest text of a setting that is free in its form; no URL, audience or path in use comes near. */
const FREE_TEXT_CHARACTERS_MAX = 1024

/** Any text without control characters that is not empty. */
export function freeText() {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(FREE_TEXT_CHARACTERS_MAX, `must be at most ${FREE_TEXT_CHARACTERS_MAX} characters`)
    .refine((value) => !/\p{Cc}|\p{Cs}/u.test(value), 'must not hold control characters')
}

/** A seed where a path belongs would end up in messages and process listings; this message must not repeat it. */
const LOOKS_LIKE_SEED = /^S[ANOCUX][A-Z2-7]{40,}$/

/** Path of a file, relative to the folder of the configuration file. */
export function file() {
  return freeText().refine(
    (value) => !LOOKS_LIKE_SEED.test(value),
    'holds a seed; write the seed to a file of mode 0600 and give its path',
  )
}

/** One of a closed list. */
export function choice<const V extends readonly [string, ...string[]]>(values: V, note = '') {
  return z.enum(values, `must be one of ${values.join(', ')}${note}`)
}

/** At most as many entries as anybody lists by hand; `entries` names them in the message. */
export function list<S extends z.ZodType>(element: S, bounds: { readonly min: number; readonly max: number }) {
  return z
    .array(element)
    .min(bounds.min, `needs at least ${bounds.min} ${bounds.min === 1 ? 'entry' : 'entries'}`)
    .max(bounds.max, `has more than ${bounds.max} entries`)
}

/** `list` without repetitions. */
export function distinctList<S extends z.ZodType<string>>(
  element: S,
  bounds: { readonly min: number; readonly max: number },
) {
  return list(element, bounds).refine((values) => new Set(values).size === values.length, {
    error: 'names an entry twice',
    when: evenIfIncomplete,
  })
}
