import { FILE_CHARACTERS_MAX } from '../documents/document-yaml.ts'
import { sha256 } from '../documents/digest.ts'
import { readDocuments, type ReadDocument, type SourceFile } from '../documents/read-documents.ts'
import type { UnsignedRow } from '../core/policy-row.ts'
import { SCOPE } from '../core/row-problems.ts'
import { documentFiles, readText } from './input-files.ts'
import { CommandFailure, EXIT, usageFailure, type CliIo } from './io.ts'

/** UTF-8 takes at most three bytes for a UTF-16 code unit. */
const FILE_BYTES_MAX = 3 * FILE_CHARACTERS_MAX
/** Of all files together, which are held at once. */
const ALL_BYTES_MAX = 128 * 1024 * 1024

/** Reads and checks documents; fails with a line for each problem and exit code 2. */
export async function loadDocuments(
  names: readonly string[],
  scope: string | undefined,
  io: CliIo,
): Promise<readonly ReadDocument[]> {
  if (scope !== undefined && !SCOPE.test(scope))
    throw usageFailure('--scope must be lower-case letters, digits, ".", "_" and "-", at most 64')
  const files: SourceFile[] = []
  let characters = 0
  for (const name of await documentFiles(names)) {
    const text = await readText(name, FILE_BYTES_MAX, io)
    characters += text.length
    if (characters > ALL_BYTES_MAX) throw usageFailure('the files are larger than 128 MiB together')
    files.push({ name: name === '-' ? 'stdin' : name, text })
  }
  const reading = readDocuments(files, { digest: sha256, ...(scope === undefined ? {} : { scope }) })
  if ('documents' in reading) return reading.documents
  throw new CommandFailure(
    EXIT.usage,
    reading.problems.map(({ path, message }) => `${path}: ${message}`),
  )
}

export function wantedRows(documents: readonly ReadDocument[]): UnsignedRow[] {
  return documents.flatMap(({ rows }) => rows.map(({ wanted }) => wanted))
}
