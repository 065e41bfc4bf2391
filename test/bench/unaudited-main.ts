import { registerHooks } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

/** The built `callout` with a log of decisions that writes nothing, to compare with: what is left is what a decision costs without audit. */
const WRITES_NOTHING = 'export const createDecisionLog = () => ({ append: async () => {} })'

const replaced = built('spanner/decision-log.js')
registerHooks({
  load: (url, context, next) =>
    url === replaced ? { format: 'module', source: WRITES_NOTHING, shortCircuit: true } : next(url, context),
})
await import(built('main.js'))

function built(file: string): string {
  return pathToFileURL(path.resolve(import.meta.dirname, '../../dist', file)).href
}
