import { once } from 'node:events'
import { unlink } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { CalloutError } from '../core/errors.ts'

const SOCKET = 'lock'

/**
 * Takes a folder for this process by listening on a socket in it: of a process that was killed nobody listens any more. Returns
 * what lets go of it. Throws `ERR_CONFIG_INVALID` when another process of this machine has it. Does not reach across machines.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, SOCKET)
  const server = createServer((socket) => socket.destroy()).unref()
  const listen = async (): Promise<void> => {
    server.listen(path)
    await once(server, 'listening')
  }
  try {
    await listen()
  } catch (error) {
    if (!isCode(error, 'EADDRINUSE')) throw error
    if (await isAnswered(path)) {
      throw new CalloutError(
        'ERR_CONFIG_INVALID',
        `another process uses the spool ${folder}; each needs a folder of its own`,
      )
    }
    await unlink(path)
    await listen()
  }
  return async () => {
    server.close()
    await once(server, 'close')
  }
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
