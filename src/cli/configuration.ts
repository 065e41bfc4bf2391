import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { checkFiles } from '../config/check-files.ts'
import type { Config } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import { readConfig } from '../config/read-config.ts'
import { loadSecrets, type Secrets } from '../config/secrets.ts'
import { CalloutError } from '../core/errors.ts'
import { fetchHttpDocument } from '../oidc/document-fetch.ts'
import { assertIssuerOptions } from '../oidc/issuer-options.ts'
import { createKeySource } from '../oidc/key-source.ts'
import { systemClock } from '../service/clock.ts'
import { CommandFailure, EXIT, type CliIo } from './io.ts'

/**
 * Reads and checks a configuration file. Fails with a line for each problem and exit code 2; when the settings are
 * wrong, the files that they name are checked too.
 */
export async function loadConfig(configFile: string): Promise<Config> {
  const text = await readText(configFile)
  const options = { baseDir: dirname(resolve(configFile)) }
  const reading = readConfig(text, options)
  if ('config' in reading) {
    checkIssuers(configFile, reading.config)
    return reading.config
  }
  throw invalidConfiguration(configFile, [...reading.problems, ...(await checkFiles(text, options))])
}

/** Reads the files that a configuration names. Fails as `loadConfig`; warnings go to standard error. */
export async function loadConfigSecrets(configFile: string, config: Config, io: CliIo): Promise<Secrets> {
  const reading = await loadSecrets(config)
  for (const warning of reading.warnings) io.stderr.write(`callout: warning: ${written(configFile, warning)}\n`)
  const ofFiles = 'secrets' in reading ? [] : reading.problems
  const problems = [...ofFiles, ...(await problemsOfKeySets(config, ofFiles))]
  if ('secrets' in reading && problems.length === 0) return reading.secrets
  throw invalidConfiguration(configFile, problems)
}

/** What would keep the verifier from using the key sets in files, unless it is `known`. */
async function problemsOfKeySets({ issuers }: Config, known: readonly Problem[]): Promise<readonly Problem[]> {
  const problems: Problem[] = []
  for (const [index, { keys, ...issuer }] of issuers.entries()) {
    const path = `issuers[${index}].keys.jwks_file`
    if (keys === undefined || !('jwksFile' in keys) || known.some((problem) => problem.path === path)) continue
    const source = createKeySource({ ...issuer, keys }, systemClock, fetchHttpDocument)
    await source.load(new AbortController().signal).catch((error: unknown) => {
      problems.push({ path, message: `${error instanceof Error ? error.message : 'unusable'}: ${keys.jwksFile}` })
    })
  }
  return problems
}

async function readText(configFile: string): Promise<string> {
  try {
    return await readFile(configFile, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const why = code === 'ENOENT' ? 'there is no such file' : String(code)
    const line = `cannot read ${configFile} (${why}); name a configuration with --config or CALLOUT_CONFIG`
    throw new CommandFailure(EXIT.usage, [line], { cause: error })
  }
}

/** The verifier has rules of its own; they are asked here so that `config check` says what `serve` would say. */
function checkIssuers(configFile: string, config: Config): void {
  try {
    assertIssuerOptions(config.issuers)
  } catch (error) {
    if (!(error instanceof CalloutError)) throw error
    throw invalidConfiguration(configFile, [{ path: 'issuers', message: error.message }])
  }
}

/** A configuration whose settings or files are wrong: a line for each problem, exit code 2. */
export function invalidConfiguration(configFile: string, problems: readonly Problem[]): CommandFailure {
  return new CommandFailure(
    EXIT.usage,
    problems.map((problem) => written(configFile, problem)),
  )
}

function written(configFile: string, { path, message }: Problem): string {
  return path === '' ? `${configFile}: ${message}` : `${configFile}: ${path}: ${message}`
}
