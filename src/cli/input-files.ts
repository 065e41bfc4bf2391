import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { CommandFailure, EXIT, usageFailure, type CliIo } from './io.ts'

const FILES_MAX = 10_000
const DOCUMENT_FILE = /\.(?:ya?ml|json)$/

/**
 * The files that arguments name: a file is itself, a folder stands for the YAML and JSON files in it and in the folders below, in the
 * order of their names; what begins with a dot is passed over, and links to folders are not followed. `-` is standard input.
 */
export async function documentFiles(names: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for (const name of names) {
    if (name === '-' || !(await isFolder(name))) files.push(name)
    else await addFilesOf(name, files)
  }
  if (files.length > FILES_MAX) throw usageFailure(`more than ${FILES_MAX} files`)
  if (files.length === 0) throw usageFailure(`no .yaml, .yml or .json file in ${names.join(', ')}`)
  return files
}

async function isFolder(name: string): Promise<boolean> {
  try {
    return (await stat(name)).isDirectory()
  } catch (error) {
    throw unreadable(name, error)
  }
}

async function addFilesOf(folder: string, files: string[]): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true })
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    if (entry.name.startsWith('.') || files.length > FILES_MAX) continue
    const name = path.join(folder, entry.name)
    if (entry.isDirectory()) await addFilesOf(name, files)
    else if (DOCUMENT_FILE.test(entry.name)) files.push(name)
  }
}

/** The text of a file, or of standard input for `-`; fails with exit code 2 when it cannot be read or has more than so many bytes. */
export async function readText(name: string, bytesMax: number, io: CliIo): Promise<string> {
  try {
    const bytes = name === '-' ? await readAll(io.stdin, bytesMax) : await readAll(createReadStream(name), bytesMax)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (error instanceof CommandFailure) throw error
    throw error instanceof TypeError ? usageFailure(`${name} is not UTF-8`) : unreadable(name, error)
  }
}

async function readAll(chunks: AsyncIterable<Uint8Array> | undefined, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks ?? []) {
    parts.push(chunk)
    length += chunk.length
    if (length > bytesMax) throw usageFailure(`a file of more than ${bytesMax} bytes is not read`)
  }
  return Buffer.concat(parts)
}

function unreadable(name: string, error: unknown): CommandFailure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  const why = code === 'ENOENT' ? 'there is no such file' : code
  return new CommandFailure(EXIT.usage, [`cannot read ${name} (${why})`], { cause: error })
}
