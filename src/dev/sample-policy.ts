import { CalloutError } from '../core/errors.ts'
import type { Lock } from '../core/grant.ts'
import type { GrantRow } from '../core/policy-row.ts'
import { adding } from '../service/policy-edit.ts'
import type { PolicyAdmin } from '../service/ports.ts'

/** The id of the local provider in `callout.yaml`. */
export const LOCAL_ISSUER_ID = 'local'

const WHO = { createdBy: 'setup' } as const

/** What the persons and services of the local provider may do. `intruder` and `bob` appear nowhere: no grants. */
export const SAMPLE_GRANTS: readonly GrantRow[] = [
  {
    id: 'sample-orders-publish',
    principal: `client:${LOCAL_ISSUER_ID}:orders-service`,
    account: 'APP',
    effect: 'allow',
    action: 'publish',
    subject: 'orders.>',
    reason: 'announces what happens to orders',
    ...WHO,
  },
  {
    id: 'sample-orders-work',
    principal: `client:${LOCAL_ISSUER_ID}:orders-service`,
    account: 'APP',
    effect: 'allow',
    action: 'subscribe',
    subject: 'orders.requests.*',
    queue: 'workers',
    reason: 'shares the requests with its replicas',
    ...WHO,
  },
  {
    id: 'sample-engineering-watch',
    principal: `group:${LOCAL_ISSUER_ID}:engineering`,
    account: 'APP',
    effect: 'allow',
    action: 'subscribe',
    subject: 'orders.>',
    reason: 'engineers watch the stream of orders',
    ...WHO,
  },
  {
    id: 'sample-engineering-not-payments',
    principal: `group:${LOCAL_ISSUER_ID}:engineering`,
    account: 'APP',
    effect: 'deny',
    action: 'subscribe',
    subject: 'orders.payments.>',
    reason: 'payment details are not for everyone',
    ...WHO,
  },
  {
    id: 'sample-engineering-notes',
    principal: `group:${LOCAL_ISSUER_ID}:engineering`,
    account: 'APP',
    effect: 'allow',
    action: 'publish',
    subject: 'notes.{{subject}}.>',
    reason: 'each writes under their own name',
    ...WHO,
  },
  {
    id: 'sample-reporting-metrics',
    principal: `client:${LOCAL_ISSUER_ID}:reporting`,
    account: 'OPS',
    effect: 'allow',
    action: 'subscribe',
    subject: 'metrics.>',
    reason: 'reads what operations publish',
    ...WHO,
  },
  {
    id: 'sample-mallory-watch',
    principal: `user:${LOCAL_ISSUER_ID}:mallory`,
    account: 'APP',
    effect: 'allow',
    action: 'subscribe',
    subject: 'orders.>',
    reason: 'was trusted once; see the lock',
    ...WHO,
  },
]

export const SAMPLE_LOCKS: readonly Lock[] = [{ id: 'sample-mallory', target: `user:${LOCAL_ISSUER_ID}:mallory` }]

/** Adds the sample grants and locks; those that are there already stay as they are. */
export async function addSamplePolicy(admin: PolicyAdmin): Promise<void> {
  for (const grant of SAMPLE_GRANTS) await unlessThere(admin.edit(adding('grant', grant)))
  for (const lock of SAMPLE_LOCKS)
    await unlessThere(admin.edit(adding('lock', { ...lock, reason: 'left the company', ...WHO })))
}

async function unlessThere(change: Promise<void>): Promise<void> {
  try {
    await change
  } catch (error) {
    if (!(error instanceof CalloutError && error.code === 'ERR_STORE_CONFLICT')) throw error
  }
}
