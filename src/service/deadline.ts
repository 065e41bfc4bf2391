import { CalloutError } from '../core/errors.ts'
import type { Clock, DeadlineMs } from './ports.ts'

/**
 * Settles as `work` does, or rejects with `ERR_DEADLINE` at the deadline, whatever `work` is doing by then. Adapters bound
 * their own calls; this is the second bound, so that a fault in one of them cannot hold a client.
 */
export async function within<T>(work: Promise<T>, deadlineMs: DeadlineMs, clock: Clock, what: string): Promise<T> {
  const leftMs = deadlineMs - clock.monotonicMs()
  let cancel: (() => void) | undefined
  const expired = new Promise<never>((_, reject) => {
    cancel = clock.after(Math.max(0, leftMs), () =>
      reject(new CalloutError('ERR_DEADLINE', `${what} outlasted its deadline`)),
    )
  })
  try {
    return await Promise.race([work, expired])
  } finally {
    cancel?.()
  }
}
