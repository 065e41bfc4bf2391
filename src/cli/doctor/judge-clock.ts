import { fail, ok, skipped, warn, type Finding } from './check.ts'

/** Requests of a server whose clock is further off than a minute are refused; tokens are judged by our clock alone. */
const CLOCK_WARN_MS = 5_000
const CLOCK_FAIL_MS = 60_000

/** `offsetMs` is give or take `uncertaintyMs`. */
export function judgeClock(whose: string, offsetMs: number, uncertaintyMs: number): Finding {
  if (Number.isNaN(offsetMs)) return skipped(`${whose} does not tell its time`)
  const offMs = Math.max(0, Math.abs(offsetMs) - uncertaintyMs)
  const detail = `${whose}: ${offMs < 1 ? 'the same time' : `${Math.round(offMs)} ms ${offsetMs > 0 ? 'ahead' : 'behind'}`}`
  const advice =
    'keep the clocks of all machines in step (NTP): the validity of tokens, grants and requests hangs on them'
  if (offMs >= CLOCK_FAIL_MS) return fail(detail, advice)
  return offMs >= CLOCK_WARN_MS ? warn(detail, advice) : ok(detail)
}
