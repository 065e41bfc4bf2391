import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { v1 } from '@google-cloud/spanner-api'
import { clientOptions } from '../spanner/endpoint.ts'
import { grpcFailure, isTransient, STATUS } from '../spanner/status.ts'

/** An emulator in a container may be pulled and started at the same time as its user. */
const READY_TIMEOUT_MS = 120_000
const CALL_TIMEOUT_MS = 10_000
const RETRY_MS = 250

/**
 * Makes instance and database in an emulator; what exists already is left as it is. Waits for an emulator that is still
 * starting. `database` is `projects/P/instances/I/databases/D`; a new, empty one with a name of its own when absent, so that
 * tests of several processes can share an emulator. Returns its name.
 */
export async function createEmulatorDatabase(emulatorHost: string, database = freshName()): Promise<string> {
  const [, project, instance, name] = /^projects\/([^/]+)\/instances\/([^/]+)\/databases\/([^/]+)$/.exec(database) ?? []
  if (project === undefined || instance === undefined || name === undefined) {
    throw new TypeError(`${database} is not the name of a database`)
  }
  const parent = `projects/${project}`
  const instances = new v1.InstanceAdminClient(clientOptions({ emulatorHost }))
  const databases = new v1.DatabaseAdminClient(clientOptions({ emulatorHost }))
  const call = { timeout: CALL_TIMEOUT_MS, retry: null }
  try {
    await untilDone(async () => {
      const config = `${parent}/instanceConfigs/emulator-config`
      const description = { config, displayName: instance, nodeCount: 1 }
      await instances.initialize()
      await instances.createInstance({ parent, instanceId: instance, instance: description }, call)
    })
    await untilDone(async () => {
      await databases.initialize()
      const request = { parent: `${parent}/instances/${instance}`, createStatement: `CREATE DATABASE \`${name}\`` }
      const [operation] = await databases.createDatabase(request, call)
      await operation.promise()
    })
    return database
  } finally {
    await Promise.all([instances.close(), databases.close()])
  }
}

function freshName(): string {
  return `projects/local/instances/local/databases/db-${randomBytes(8).toString('hex')}`
}

async function untilDone(create: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  for (;;) {
    try {
      await create()
      return
    } catch (error) {
      if (grpcFailure(error)?.code === STATUS.alreadyExists) return
      if (!isTransient(error) || performance.now() > deadline) throw error
    }
    await delay(RETRY_MS)
  }
}
