import type { Config, IssuerConfig, NatsConfig, NatsLogin, OperatorConfig } from './config.ts'
import { FileReader } from './file-reader.ts'
import type { SeedPrefix } from './nkey-seed.ts'
import { writtenPath, type Problem } from './problem.ts'

/** What the files hold that the configuration points at. Kept apart from `Config`, which may be logged. */
export interface Secrets {
  readonly nats: {
    readonly login: LoginSecret
    /** PEM texts. */
    readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
    readonly system?: LoginSecret
  }
  /** Account nkey seeds (`SA…`), in the order of the configuration. */
  readonly issuerSeeds: readonly LabelledSeed[]
  /** Curve nkey seeds (`SX…`), in the order of the configuration. */
  readonly xkeySeeds: readonly LabelledSeed[]
  /** Operator mode: the account nkey seed (`SA…`) for each of `callout.accounts`. */
  readonly accountSeeds: ReadonlyMap<string, LabelledSeed>
  /** Key that signs checkpoints of the audit, `PRIVATE+KEY+…`. */
  readonly checkpointKey?: string
}

/** `label` is the path of the file, for messages. */
export interface LabelledSeed {
  readonly seed: string
  readonly label: string
}

export type LoginSecret =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'nkey'; readonly seed: string; readonly label: string }
  | { readonly kind: 'creds'; readonly creds: string; readonly label: string }

export type SecretsReading = { readonly warnings: readonly Problem[] } & (
  { readonly secrets: Secrets } | { readonly problems: readonly Problem[] }
)

/**
 * Reads every file that the configuration points at and checks its kind: either all are right or all problems are
 * returned at once. The files of an issuer are only looked at; they are read again whenever it is asked.
 *
 * A secret that others may read is a warning, not a problem: volumes of Kubernetes are mounted with mode 0644 by
 * default, inside a container that holds nobody else.
 */
export async function loadSecrets(config: Config): Promise<SecretsReading> {
  const files = new FileReader()
  const login = await readLogin('nats', config.nats.login, files)
  const tls = await readTls(config.nats.tls, files)
  const system = config.nats.system && (await readLogin('nats.system', config.nats.system, files))
  const issuerSeeds = await readSeeds('callout.issuer_seed_files', config.callout.issuerSeedFiles, 'SA', files)
  const xkeySeeds = await readSeeds('callout.xkey_seed_files', config.callout.xkeySeedFiles, 'SX', files)
  const accountSeeds = await readAccountSeeds(config.callout.operator, files)
  for (const [index, issuer] of config.issuers.entries()) await checkIssuerFiles(`issuers[${index}]`, issuer, files)
  const { checkpoints } = config.audit
  const checkpointKey = checkpoints && (await files.noteKey('audit.checkpoints.key_file', checkpoints.keyFile))
  const { problems, warnings } = files
  if (problems.length > 0) return { problems, warnings }
  const secrets: Secrets = {
    nats: {
      login,
      ...(tls === undefined ? {} : { tls }),
      ...(system === undefined ? {} : { system }),
    },
    issuerSeeds,
    xkeySeeds,
    accountSeeds,
    ...(checkpointKey === undefined ? {} : { checkpointKey }),
  }
  return { secrets, warnings }
}

/** These are read whenever the issuer is asked, so that they may be replaced while the service runs. */
async function checkIssuerFiles(path: string, issuer: IssuerConfig, files: FileReader): Promise<void> {
  const { keys, http, introspection } = issuer
  if (keys !== undefined && 'jwksFile' in keys)
    await files.readable(`${path}.keys.jwks_file`, keys.jwksFile, http.maxBytes)
  if (http.caFile !== undefined) await files.certificates(`${path}.http.ca_file`, http.caFile)
  if (http.bearerTokenFile !== undefined) await files.password(`${path}.http.bearer_token_file`, http.bearerTokenFile)
  if (introspection === undefined) return
  const { client } = introspection
  if (client.method === 'private_key_jwt') {
    await files.signingKey(`${path}.introspection.private_key_file`, client.keyFile)
  } else await files.clientSecret(`${path}.introspection.client_secret_file`, client.secretFile)
}

async function readLogin(path: string, login: NatsLogin, files: FileReader): Promise<LoginSecret> {
  if ('user' in login) {
    const password = await files.password(`${path}.password_file`, login.passwordFile)
    return { kind: 'password', user: login.user, password }
  }
  if ('nkeySeedFile' in login) {
    const label = login.nkeySeedFile
    return { kind: 'nkey', seed: await files.seed(`${path}.nkey_seed_file`, label, 'SU'), label }
  }
  return { kind: 'creds', creds: await files.creds(`${path}.creds_file`, login.credsFile), label: login.credsFile }
}

async function readTls(tls: NatsConfig['tls'], files: FileReader): Promise<Secrets['nats']['tls']> {
  if (tls === undefined) return undefined
  const { caFile, certFile, keyFile } = tls
  return {
    ...(caFile === undefined ? {} : { ca: await files.certificates('nats.tls.ca_file', caFile) }),
    ...(certFile === undefined ? {} : { cert: await files.certificates('nats.tls.cert_file', certFile) }),
    ...(keyFile === undefined ? {} : { key: await files.privateKey('nats.tls.key_file', keyFile) }),
  }
}

async function readSeeds(
  path: string,
  names: readonly string[],
  prefix: SeedPrefix,
  files: FileReader,
): Promise<LabelledSeed[]> {
  const seeds: LabelledSeed[] = []
  for (const [index, label] of names.entries()) {
    const seed = await files.seed(`${path}[${index}]`, label, prefix)
    if (seed !== '' && seeds.some((other) => other.seed === seed)) {
      files.problems.push({ path: `${path}[${index}]`, message: `holds the same seed as another entry: ${label}` })
    }
    seeds.push({ seed, label })
  }
  return seeds
}

async function readAccountSeeds(
  operator: OperatorConfig | undefined,
  files: FileReader,
): Promise<ReadonlyMap<string, LabelledSeed>> {
  const seeds = new Map<string, LabelledSeed>()
  for (const [name, { signingKeySeedFile: label }] of operator?.accountKeys ?? []) {
    const path = writtenPath(['callout', 'accounts', name, 'signing_key_seed_file'])
    seeds.set(name, { seed: await files.seed(path, label, 'SA'), label })
  }
  return seeds
}
