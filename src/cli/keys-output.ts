import type { DryRunOptions } from './command-options.ts'
import { noteDryRun } from './dry-run.ts'
import type { CliIo } from './io.ts'
import { writeOutput, type OutputFormat } from './output.ts'

/** Names to public keys; those of accounts by the name of the account. */
export type PublicKeys = Readonly<Record<string, string | Readonly<Record<string, string>>>>

export interface MadeKeys {
  readonly publicKeys: PublicKeys
  readonly files: readonly string[]
  /** What is to be done with them, for people. */
  readonly text: string
}

/**
 * Shows what `keys generate` made: public keys and files. After a dry run only the files: the keys are gone, and the next ones
 * will be others.
 */
export function writeKeys(
  io: CliIo,
  { output, dryRun }: DryRunOptions & { readonly output: OutputFormat },
  { publicKeys, files, text }: MadeKeys,
): void {
  if (dryRun === true) {
    const records = files.map((file) => ({ file }))
    writeOutput(io, output, { columns: [{ heading: 'FILE', cell: ({ file }) => file }], records })
    return noteDryRun(io)
  }
  if (output === 'table') for (const file of files) io.stderr.write(`wrote ${file}\n`)
  writeOutput(io, output, {
    columns: [
      { heading: 'NAME', cell: ({ name }) => name },
      { heading: 'VALUE', cell: ({ value }) => value },
    ],
    records: [...flattened(publicKeys), ...files.map((file) => ({ name: 'file', value: file }))],
    document: { ...publicKeys, files },
    text,
  })
}

function flattened(publicKeys: PublicKeys): { readonly name: string; readonly value: string }[] {
  return Object.entries(publicKeys).flatMap(([name, key]) =>
    typeof key === 'string'
      ? [{ name, value: key }]
      : Object.entries(key).map(([account, value]) => ({ name: `${name}.${account}`, value })),
  )
}
