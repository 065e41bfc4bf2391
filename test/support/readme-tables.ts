import { readFile, writeFile } from 'node:fs/promises'
import { allNodes } from '../../src/cli/command-tree.ts'
import { CHECKS } from '../../src/cli/doctor/checks.ts'
import { SERVER_DEFECTS } from '../../src/cli/doctor/server-defects.ts'
import { commandTree } from '../../src/cli/program.ts'
import { CONFIG_REFERENCE } from '../../src/config/reference.ts'
import { RESOURCE_ACTIONS } from '../../src/core/grant.ts'
import { RESOURCE_ACTION_NOTES } from '../../src/core/resource-action.ts'
import { ABORT_CODES, DENY_REASONS } from '../../src/core/reasons.ts'
import { METRICS_REFERENCE } from '../../src/telemetry/metrics-reference.ts'

/** The tables of README.md that are made from the code. `npm run docs` writes them, `test/tidy.test.ts` compares them. */
export const README = new URL('../../README.md', import.meta.url)

const TABLES: Readonly<Record<string, () => string>> = {
  commands: () =>
    table(
      ['Command', 'Does'],
      allNodes(commandTree())
        .filter(({ commands }) => commands.length === 0)
        .map(({ path, description }) => [code(`callout ${path.join(' ')}`), description]),
    ),
  configuration: () =>
    table(
      ['Setting', 'Type', 'Default', 'Meaning'],
      CONFIG_REFERENCE.map((setting) => [code(setting.path), setting.type, code(setting.default), setting.meaning]),
    ),
  reasons: () =>
    table(
      ['Reason', 'Meaning'],
      Object.entries(DENY_REASONS).map(([reason, meaning]) => [code(reason), meaning]),
    ),
  aborts: () =>
    table(
      ['Code', 'Meaning'],
      Object.entries(ABORT_CODES).map(([abort, meaning]) => [code(abort), meaning]),
    ),
  actions: () =>
    table(
      ['Action', 'Allows'],
      RESOURCE_ACTIONS.map((action) => {
        const { on, allows } = RESOURCE_ACTION_NOTES[action]
        return [code(`${action} ${on}`), allows]
      }),
    ),
  checks: () =>
    table(
      ['Check', 'Well when', '`nats.system`'],
      CHECKS.map(({ id, title, needsSystem }) => [code(id), title, needsSystem === true ? 'needed' : '']),
    ),
  defects: () =>
    table(
      ['Defect of nats-server', 'Fixed in', 'Source'],
      SERVER_DEFECTS.map(({ what, fixedIn, source }) => [what, fixedIn.join(', '), source]),
    ),
  metrics: () =>
    table(
      ['Metric', 'Type', 'Labels', 'Meaning'],
      METRICS_REFERENCE.map((metric) => [
        code(metric.name),
        metric.type,
        metric.labels.map(code).join(', '),
        metric.meaning,
      ]),
    ),
}

/** The statements in the SQL of a document, without comments. */
export function sqlOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/```sql\n([^`]*)```/g)]
    .flatMap((block) => (block[1] ?? '').replace(/--.*$/gm, '').split(';'))
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}

/** The README with every marked table made anew. Throws when a marker is missing or stands twice. */
export function withTables(readme: string): string {
  let text = readme
  for (const [name, render] of Object.entries(TABLES)) {
    const parts = text.split(new RegExp(`(?<=<!-- table: ${name} -->\\n)[^]*?(?=<!-- end -->)`))
    if (parts.length !== 2) throw new Error(`README.md needs exactly one "<!-- table: ${name} -->" … "<!-- end -->"`)
    text = parts.join(`\n${render()}\n`)
  }
  return text
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n')
}

function code(text: string): string {
  return text === '' ? '' : `\`${text}\``
}

if (import.meta.main) await writeFile(README, withTables(await readFile(README, 'utf8')))
