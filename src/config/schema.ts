import { z } from 'zod'
import { accountKey, accountsSchema, checkModeOfAccounts, checkSessionsOfAccounts } from './account-schema.ts'
import { issuersSchema } from './issuer-schema.ts'
import {
  choice,
  distinctList,
  duration,
  evenIfIncomplete,
  file,
  freeText,
  percentage,
  setting,
  size,
  text,
} from './setting.ts'
import { parseListenAddress, problemOfNatsUrl } from './url.ts'

/** More servers than a client tries in a round, more seeds than a rotation holds at once. */
const ENTRIES_MAX = 32
const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const natsUrl = freeText().superRefine((value, context) => {
  const problem = problemOfNatsUrl(value)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})

const userName = freeText()

const tls = z
  .strictObject({
    ca_file: setting(file().optional(), 'file', 'Certificates to trust in place of those of the system, PEM.'),
    cert_file: setting(file().optional(), 'file', 'Client certificate, PEM.'),
    key_file: setting(file().optional(), 'file', 'Key of the client certificate, PEM.'),
  })
  .refine((value) => (value.cert_file === undefined) === (value.key_file === undefined), {
    error: 'cert_file and key_file belong together',
    when: evenIfIncomplete,
  })

const nats = z
  .strictObject({
    servers: setting(
      distinctList(natsUrl, { min: 1, max: ENTRIES_MAX }),
      'list of URLs',
      'nats-servers to connect to, `nats://host:port` or `tls://host:port`.',
    ),
    user: setting(userName.optional(), 'text', 'User of the service, one of `auth_users` in nats-server.conf.'),
    password_file: setting(file().optional(), 'file', 'Password of `nats.user`.'),
    nkey_seed_file: setting(file().optional(), 'file', 'User nkey seed (`SU…`), in place of `nats.user`.'),
    creds_file: setting(
      file().optional(),
      'file',
      'User credentials of an operator-mode account, in place of `nats.user`.',
    ),
    queue: setting(
      text(/^[A-Za-z0-9._-]{1,128}$/, 'must be letters, digits, ".", "_" and "-", at most 128').prefault('callout'),
      'name',
      'Queue group that the replicas of the service share.',
    ),
    tls: tls.optional(),
    system: z
      .strictObject({
        user: setting(
          userName.optional(),
          'text',
          'User of the system account, to disconnect clients (see `deny.when_unavailable`) and for `callout doctor`.',
        ),
        password_file: setting(file().optional(), 'file', 'Password of `nats.system.user`.'),
        creds_file: setting(
          file().optional(),
          'file',
          'Operator mode: credentials of a user of the system account, in place of `nats.system.user`.',
        ),
      })
      .refine((value) => (value.user === undefined) !== (value.creds_file === undefined), {
        error: 'needs exactly one of user, creds_file',
        when: evenIfIncomplete,
      })
      .refine((value) => (value.user === undefined) === (value.password_file === undefined), {
        error: 'user and password_file belong together',
        when: evenIfIncomplete,
      })
      .optional(),
  })
  .refine(
    (value) => [value.user, value.nkey_seed_file, value.creds_file].filter((way) => way !== undefined).length === 1,
    {
      error: 'needs exactly one of user, nkey_seed_file, creds_file',
      when: evenIfIncomplete,
    },
  )
  .refine((value) => (value.user === undefined) === (value.password_file === undefined), {
    error: 'user and password_file belong together',
    when: evenIfIncomplete,
  })

const callout = z
  .strictObject({
    issuer_seed_files: setting(
      distinctList(file(), { min: 1, max: ENTRIES_MAX }),
      'list of files',
      'Account nkey seeds (`SA…`) that sign; several during a rotation, the request names the one to use. Operator mode: one.',
    ),
    issuer_account: setting(
      accountKey().optional(),
      'A…',
      'Operator mode: the public key of the callout account, of which the seed is a signing key or its own.',
    ),
    xkey_seed_files: setting(
      distinctList(file(), { min: 0, max: ENTRIES_MAX }).prefault([]),
      'list of files',
      'Curve nkey seeds (`SX…`) that open sealed requests; when set, requests in the clear are refused.',
    ),
    accounts: accountsSchema,
    deadline: setting(
      duration({
        minMs: 200,
        maxMs: 1_900,
        why: 'nats-server gives up after 2 s by default and pings then, which some clients take for a broken answer',
      }).prefault('1500ms'),
      'duration',
      'For a whole request, from 200ms to 1900ms: nats-server gives up after 2 s and sends its first PING then.',
    ),
    max_in_flight: setting(
      z.int('must be a whole number').min(1, 'must be at least 1').max(65_536, 'must be at most 65536').prefault(1024),
      'number',
      'Requests worked on at once; more wait as long as they can be answered in time, then they are `overloaded`.',
    ),
  })
  .superRefine(checkModeOfAccounts, { when: evenIfIncomplete })

const token = z.strictObject({
  sources: setting(
    distinctList(choice(['auth_token', 'password']), { min: 1, max: 2 }).prefault(['auth_token', 'password']),
    'list of names',
    'Where in the CONNECT options of a client a token may be, in this order.',
  ),
  max_bytes: setting(
    size({ min: 512, max: 65_536 }).prefault(16_384),
    'size',
    'Longer tokens are refused unread; at most 64KiB.',
  ),
})

const session = z
  .strictObject({
    max: setting(
      duration({ minMs: MINUTE_MS, maxMs: 30 * DAY_MS }).prefault('1h'),
      'duration',
      'Longest session; the client then connects anew.',
    ),
    jitter: setting(
      percentage({ max: 0.5 }).prefault('10%'),
      'percentage',
      'By how much a session may be shortened at random, so that a storm of connects does not come back as one.',
    ),
    min_remaining: setting(
      duration({ minMs: SECOND_MS, maxMs: DAY_MS }).prefault('30s'),
      'duration',
      'A session that would be shorter is refused: its client would only come back at once.',
    ),
  })
  .refine(({ max, jitter, min_remaining }) => !(max * (1 - jitter) <= min_remaining), {
    error: 'max, shortened by jitter, must be longer than min_remaining',
    when: evenIfIncomplete,
  })

const deny = z.strictObject({
  mode: setting(
    choice(['reply', 'drop']).prefault('reply'),
    'reply or drop',
    'Refusals on the merits: told at once, or dropped, so that nats-server waits out its timeout, which slows attackers.',
  ),
  when_unavailable: setting(
    choice(['disconnect', 'reply']).optional(),
    'disconnect or reply',
    'Refusals for no fault of the client: its connection is ended, or it is told. Unless set: `disconnect` with `nats.system`.',
  ),
})

const failures = (fallback: number, meaning: string) =>
  setting(
    z
      .int('must be a whole number')
      .min(0, 'must be at least 0')
      .max(1_000_000, 'must be at most 1000000')
      .prefault(fallback),
    'number',
    meaning,
  )

const limits = z.strictObject({
  failures_per_address: failures(
    100,
    'Refused tokens in `failure_window`; more from that address (IPv6: /64) are `too_many_failures`, unseen. 0: no limit.',
  ),
  failures_per_principal: failures(
    30,
    'Refusals of a principal with a genuine token in `failure_window`; more are `too_many_failures`. 0: no limit.',
  ),
  failure_window: setting(
    duration({ minMs: SECOND_MS, maxMs: DAY_MS }).prefault('1m'),
    'duration',
    'In which so many failures go down to none, evenly.',
  ),
})

/** `spanner://` and the resource name of a database; the bounds are wider than those of Google's names. */
const STORE_URL =
  /^spanner:\/\/projects\/[a-z][a-z0-9.:-]{0,62}\/instances\/[a-z][a-z0-9-]{0,63}\/databases\/[a-z][a-z0-9_-]{0,29}$/

/** `grants.approval` */
const APPROVALS = ['none', 'two_persons'] as const

/** The whole of `callout.yaml`, in its own words; `read-config.ts` turns it into a `Config`. */
export const configSchema = z
  .strictObject({
    nats: nats.prefault({} as never),
    callout: callout.prefault({} as never),
    token: token.prefault({}),
    issuers: issuersSchema,
    deny: deny.prefault({}),
    limits: limits.prefault({}),
    session: session.prefault({}),
    grants: z
      .strictObject({
        max_stale: setting(
          duration({
            minMs: 0,
            maxMs: 0,
            why: 'every decision reads the grants anew; bounded staleness is not offered',
          }).prefault('0s'),
          'duration',
          'How old the grants of a decision may be; only `0s`, every decision reads them anew.',
        ),
        approval: setting(
          choice(APPROVALS).prefault('none'),
          'none or two_persons',
          'Whether the commands change policy at once, or somebody else has to approve what one proposes.',
        ),
      })
      .prefault({}),
    store: z
      .strictObject({
        url: setting(
          text(STORE_URL, 'must be spanner://projects/<project>/instances/<instance>/databases/<database>'),
          'URL',
          'The database, `spanner://projects/<project>/instances/<instance>/databases/<database>`.',
        ),
        role: setting(
          text(/^[A-Za-z]\w{0,127}$/, 'must be letters, digits and "_", a letter first').optional(),
          'name',
          'Database role with whose privileges the service and the commands work, such as `callout_service`; the emulator ignores it.',
        ),
      })
      .prefault({} as never),
    audit: z
      .strictObject({
        on_unavailable: setting(
          choice(['deny', 'spool'], ': nobody is admitted whose decision is not recorded').prefault('deny'),
          'deny or spool',
          'What happens to a client whose decision Spanner does not take: it is refused, or the row is kept on the disk until Spanner takes it.',
        ),
        spool: z
          .strictObject({
            folder: setting(
              file(),
              'folder',
              'Where rows are kept; a disk that outlives the process, of this replica alone.',
            ),
            max_bytes: setting(
              size({ min: 1_048_576, max: 1_073_741_824 }).prefault(64 * 1_048_576),
              'size',
              'No more than so much is kept; then clients are refused. A row has some 3 KiB. The disk has to have half as much again.',
            ),
            max_age: setting(
              duration({ minMs: MINUTE_MS, maxMs: DAY_MS }).prefault('15m'),
              'duration',
              'When the oldest row has waited so long, clients are refused.',
            ),
          })
          .optional(),
        checkpoints: z
          .strictObject({
            key_file: setting(
              file(),
              'file',
              'Key that signs the audit (`callout audit key`), so that `callout audit verify` finds what was changed in the database.',
            ),
            file: setting(
              file().optional(),
              'file to write',
              'Where each checkpoint is appended, beside the log: best where nobody who can write to the database can.',
            ),
          })
          .optional(),
      })
      .refine((value) => (value.on_unavailable === 'spool') === (value.spool !== undefined), {
        error: 'on_unavailable: spool and spool.folder belong together',
        when: evenIfIncomplete,
      })
      .prefault({}),
    http: z
      .strictObject({
        listen: setting(
          freeText()
            .refine(
              (value) => parseListenAddress(value) !== undefined,
              'must be host:port, such as 127.0.0.1:8222 or [::1]:8222',
            )
            .prefault('127.0.0.1:8222'),
          'host:port',
          'For `/livez`, `/readyz` and `/metrics`; 8222 is also where a nats-server on the same host may have its monitor.',
        ),
      })
      .prefault({}),
    log: z
      .strictObject({
        level: setting(
          choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).prefault('info'),
          'level',
          'Least severe level written: trace, debug, info, warn, error or fatal.',
        ),
      })
      .prefault({}),
  })
  .refine(({ deny, nats }) => deny?.when_unavailable !== 'disconnect' || nats?.system !== undefined, {
    error: 'disconnect needs nats.system',
    path: ['deny', 'when_unavailable'],
    when: evenIfIncomplete,
  })
  .superRefine(checkSessionsOfAccounts, { when: evenIfIncomplete })

/** The checked content of the file, units resolved, names as written. */
export type ConfigFile = z.output<typeof configSchema>
