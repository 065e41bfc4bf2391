import type { z } from 'zod'
import { configSchema } from './schema.ts'
import { SETTING_NOTES } from './setting.ts'

export interface SettingReference {
  /** Path in the file; `[]` for every entry of a list, `<name>` for a key that the operator chooses. */
  readonly path: string
  readonly type: string
  /** As written in the file; `required` (in the section that is named, if any) or `none` when there is no value. */
  readonly default: string
  readonly meaning: string
}

/** Every setting of `callout.yaml`, in the order of the file; made from the schema, so that the two cannot differ. */
export const CONFIG_REFERENCE: readonly SettingReference[] = [...settingsOf(configSchema, '', 'required')]

/**
 * Walks the schema down to the leaves that have notes. A leaf without notes is a bug of the schema and throws when the
 * module loads.
 */
function* settingsOf(schema: z.core.$ZodType, path: string, fallback: string): Generator<SettingReference> {
  const notes = SETTING_NOTES.get(schema as z.ZodType)
  const { def } = (schema as z.core.$ZodTypes)._zod
  if (notes !== undefined) {
    yield {
      path,
      type: notes.type,
      default: notes.default ?? defaultOf(schema, fallback),
      meaning: notes.meaning,
    }
    // A map of names to settings of their own.
    if (def.type === 'record' && isSection(def.valueType)) yield* settingsOf(def.valueType, `${path}.<name>`, fallback)
  } else if (def.type === 'prefault') {
    yield* settingsOf(def.innerType, path, fallback)
  } else if (def.type === 'optional') {
    yield* settingsOf(def.innerType, path, `required in ${path.split('.').at(-1)}`)
  } else if (def.type === 'array') {
    yield* settingsOf(def.element, `${path}[]`, fallback)
  } else if (def.type === 'record') {
    yield* settingsOf(def.valueType, `${path}.<name>`, fallback)
  } else if (def.type === 'object') {
    for (const [key, value] of Object.entries(def.shape)) {
      yield* settingsOf(value, path === '' ? key : `${path}.${key}`, fallback)
    }
  } else {
    throw new TypeError(`the setting ${path} has no notes`)
  }
}

function isSection(schema: z.core.$ZodType): boolean {
  return (schema as z.core.$ZodTypes)._zod.def.type === 'object'
}

function defaultOf(schema: z.core.$ZodType, fallback: string): string {
  const { def } = (schema as z.core.$ZodTypes)._zod
  if (def.type === 'optional') return 'none'
  return def.type === 'prefault' ? written(def.defaultValue) : fallback
}

/** YAML in flow style. */
function written(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(written).join(', ')}]` : String(value)
}

/** The names that may stand beside each other under a path, `[0]` written as `[]`. */
export function namesUnder(path: string): readonly string[] {
  const prefix = path === '' ? '' : `${path}.`
  const below = CONFIG_REFERENCE.filter((entry) => entry.path.startsWith(prefix))
  return [...new Set(below.map((entry) => entry.path.slice(prefix.length).split(/[.[]/)[0] ?? ''))]
}
