import { toConfig } from './checked-config.ts'
import { parseConfigYaml } from './config-yaml.ts'
import type { Config } from './config.ts'
import { problemsOf, type Problem } from './problem.ts'
import { configSchema } from './schema.ts'

export type ConfigReading = { readonly config: Config } | { readonly problems: readonly Problem[] }

/**
 * Reads the text of `callout.yaml` (YAML 1.2, one document, without aliases and custom tags) and checks it. Either
 * every setting is right or all problems are returned at once. Relative paths start at `baseDir`, the folder of the
 * file. Opens no file: what the settings point at is checked by `loadSecrets`, or by `checkFiles` when the settings are
 * not right.
 */
export function readConfig(text: string, options: { readonly baseDir: string }): ConfigReading {
  const parsed = parseConfigYaml(text)
  if ('problems' in parsed) return parsed
  const checked = configSchema.safeParse(parsed.value, { reportInput: true })
  if (!checked.success) return { problems: problemsOf(checked.error) }
  return { config: toConfig(checked.data, options.baseDir) }
}
