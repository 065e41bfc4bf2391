import { resolve } from 'node:path'
import { toAccountRules } from './account-schema.ts'
import { toIssuer, unchecked } from './checked-issuer.ts'
import type { Config, NatsConfig, NatsLogin, OperatorConfig } from './config.ts'
import type { ConfigFile } from './schema.ts'
import { parseListenAddress } from './url.ts'

/** Turns the checked content of the file into our own words; `baseDir` is where relative paths start. */
export function toConfig(file: ConfigFile, baseDir: string): Config {
  const path = (written: string): string => resolve(baseDir, written)
  const listen = parseListenAddress(file.http.listen)
  if (listen === undefined) throw unchecked('http.listen')
  return {
    nats: toNats(file.nats, path),
    callout: {
      issuerSeedFiles: file.callout.issuer_seed_files.map(path),
      xkeySeedFiles: file.callout.xkey_seed_files.map(path),
      accounts: new Map(Object.entries(file.callout.accounts).map(([name, entry]) => [name, toAccountRules(entry)])),
      ...toOperator(file.callout, path),
      deadlineMs: file.callout.deadline,
      maxInFlight: file.callout.max_in_flight,
    },
    token: { sources: file.token.sources, maxBytes: file.token.max_bytes },
    issuers: file.issuers.map((entry) => toIssuer(entry, path)),
    deny: {
      mode: file.deny.mode,
      whenUnavailable: file.deny.when_unavailable ?? (file.nats.system === undefined ? 'reply' : 'disconnect'),
    },
    limits: {
      perAddress: file.limits.failures_per_address,
      perPrincipal: file.limits.failures_per_principal,
      windowMs: file.limits.failure_window,
    },
    session: { maxMs: file.session.max, jitter: file.session.jitter, minRemainingMs: file.session.min_remaining },
    grants: { maxStaleMs: file.grants.max_stale, approval: file.grants.approval },
    store: {
      database: file.store.url.slice('spanner://'.length),
      ...(file.store.role !== undefined && { role: file.store.role }),
    },
    audit: {
      ...(file.audit.spool !== undefined && {
        spool: {
          folder: path(file.audit.spool.folder),
          bytesMax: file.audit.spool.max_bytes,
          ageMaxMs: file.audit.spool.max_age,
        },
      }),
      ...(file.audit.checkpoints !== undefined && {
        checkpoints: {
          keyFile: path(file.audit.checkpoints.key_file),
          ...(file.audit.checkpoints.file !== undefined && { file: path(file.audit.checkpoints.file) }),
        },
      }),
    },
    http: { listen },
    log: { level: file.log.level },
  }
}

function toOperator(
  { issuer_account: issuerAccount, accounts }: ConfigFile['callout'],
  path: (written: string) => string,
): { readonly operator?: OperatorConfig } {
  if (issuerAccount === undefined) return {}
  const accountKeys = Object.entries(accounts).map(
    ([name, { public_key: publicKey, signing_key_seed_file: seedFile }]) => {
      if (publicKey === undefined || seedFile === undefined) throw unchecked(`callout.accounts.${name}`)
      return [name, { publicKey, signingKeySeedFile: path(seedFile) }] as const
    },
  )
  return { operator: { issuerAccount, accountKeys: new Map(accountKeys) } }
}

function toNats(nats: ConfigFile['nats'], path: (written: string) => string): NatsConfig {
  return {
    servers: nats.servers,
    login: toLogin('nats', nats, path),
    queue: nats.queue,
    ...(nats.tls === undefined
      ? {}
      : {
          tls: {
            ...(nats.tls.ca_file === undefined ? {} : { caFile: path(nats.tls.ca_file) }),
            ...(nats.tls.cert_file === undefined ? {} : { certFile: path(nats.tls.cert_file) }),
            ...(nats.tls.key_file === undefined ? {} : { keyFile: path(nats.tls.key_file) }),
          },
        }),
    ...(nats.system === undefined ? {} : { system: toLogin('nats.system', nats.system, path) }),
  }
}

interface LoginSettings {
  readonly user?: string | undefined
  readonly password_file?: string | undefined
  readonly nkey_seed_file?: string | undefined
  readonly creds_file?: string | undefined
}

function toLogin(section: string, nats: LoginSettings, path: (written: string) => string): NatsLogin {
  if (nats.user !== undefined && nats.password_file !== undefined) {
    return { user: nats.user, passwordFile: path(nats.password_file) }
  }
  if (nats.nkey_seed_file !== undefined) return { nkeySeedFile: path(nats.nkey_seed_file) }
  if (nats.creds_file !== undefined) return { credsFile: path(nats.creds_file) }
  throw unchecked(section)
}
