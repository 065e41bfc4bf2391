import { readFileSync } from 'node:fs'

/** Version of this package, as `callout --version`, the audit and the metrics show it. */
export const SERVICE_VERSION: string = readVersion()

/** The file is two folders up, from `src/cli` as from `dist/cli`. */
function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const { version } = manifest as { readonly version?: unknown }
  if (typeof version !== 'string') throw new TypeError('package.json has no version')
  return version
}
