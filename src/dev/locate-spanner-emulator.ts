import { access, constants, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { CalloutError } from '../core/errors.ts'
import { runCommand } from './child-process.ts'

/** Where an emulator can be had: one that runs already, a program to start, or an image to run. */
export type SpannerEmulatorSource =
  | { readonly kind: 'address'; readonly host: string }
  | { readonly kind: 'binary'; readonly path: string }
  | { readonly kind: 'docker' }

export interface LocateEmulatorOptions {
  /** Where `SPANNER_EMULATOR_HOST` and `PATH` are read from. */
  readonly env?: NodeJS.ProcessEnv
  /** Directories that may hold a gcloud SDK besides the one that `gcloud` on PATH belongs to. */
  readonly sdkDirectories?: readonly string[]
}

const PROGRAM = 'emulator_main'
/** Below the `bin` of a gcloud SDK with the component `cloud-spanner-emulator`. */
const IN_SDK_BIN = path.join('cloud_spanner_emulator', PROGRAM)

const USUAL_SDK_DIRECTORIES = [
  '/usr/lib/google-cloud-sdk',
  path.join(homedir(), 'google-cloud-sdk'),
  '/opt/google-cloud-sdk',
  '/snap/google-cloud-sdk/current',
  '/snap/google-cloud-cli/current',
  '/opt/homebrew/share/google-cloud-sdk',
  '/usr/local/share/google-cloud-sdk',
]

/** An engine that is there answers at once; one that hangs must not hold the demo. */
const DOCKER_TIMEOUT_MS = 3000

/**
 * Finds a Cloud Spanner emulator: `SPANNER_EMULATOR_HOST`, `emulator_main` on PATH, the gcloud SDK beside `gcloud` or in its
 * usual places, a Docker engine that answers. Takes milliseconds when there is a program. Starts nothing.
 * Throws `CalloutError('ERR_TOOL_MISSING')` that says what to install.
 */
export async function locateSpannerEmulator(options: LocateEmulatorOptions = {}): Promise<SpannerEmulatorSource> {
  const env = options.env ?? process.env
  const host = env['SPANNER_EMULATOR_HOST']
  if (host !== undefined && host !== '') return { kind: 'address', host }

  const onPath = (env['PATH'] ?? '').split(path.delimiter).filter((directory) => directory !== '')
  for (const directory of onPath) {
    const program = path.join(directory, PROGRAM)
    if (await isProgram(program)) return { kind: 'binary', path: program }
  }
  for (const bin of await sdkBins(onPath, options.sdkDirectories ?? USUAL_SDK_DIRECTORIES)) {
    const program = path.join(bin, IN_SDK_BIN)
    if (await isProgram(program)) return { kind: 'binary', path: program }
  }
  if (await dockerAnswers(env)) return { kind: 'docker' }
  throw new CalloutError(
    'ERR_TOOL_MISSING',
    'no Cloud Spanner emulator found. Do one of these: "gcloud components install cloud-spanner-emulator"; ' +
      '"apt-get install google-cloud-cli-spanner-emulator" (from Google\'s package source); start Docker; ' +
      'or set SPANNER_EMULATOR_HOST to the host:port of an emulator that runs',
  )
}

async function sdkBins(onPath: readonly string[], sdkDirectories: readonly string[]): Promise<string[]> {
  const bins = sdkDirectories.map((directory) => path.join(directory, 'bin'))
  for (const directory of onPath) {
    const gcloud = path.join(directory, 'gcloud')
    if (await isProgram(gcloud)) bins.unshift(path.dirname(await realpath(gcloud)))
  }
  return bins
}

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function dockerAnswers(env: NodeJS.ProcessEnv): Promise<boolean> {
  try {
    await runCommand('docker', ['version', '--format', '{{.Server.Version}}'], { env, timeoutMs: DOCKER_TIMEOUT_MS })
    return true
  } catch {
    return false
  }
}
