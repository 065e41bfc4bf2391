import type { DoctorContext } from './context.ts'

/** `skipped`: could not be looked at; the detail says why. */
export type Status = 'ok' | 'warn' | 'fail' | 'skipped'

/** One thing that a check found. Never holds a secret; texts from elsewhere are escaped when they are written. */
export interface Finding {
  readonly status: Status
  /** What is so. */
  readonly detail: string
  /** What to do about it; for everything that is not `ok`. */
  readonly advice?: string
}

export interface Check {
  /** Stable, for scripts: `<area>.<what>`. */
  readonly id: string
  /** What is looked at; a row of the README table. */
  readonly title: string
  /** Why it needs `nats.system`, if it does. */
  readonly needsSystem?: boolean
  /** Looks, changes nothing, and says what it found: at least one finding. What it throws becomes a failure. */
  run(context: DoctorContext): Promise<readonly Finding[]>
}

export function ok(detail: string): Finding {
  return { status: 'ok', detail }
}

export function warn(detail: string, advice: string): Finding {
  return { status: 'warn', detail, advice }
}

export function fail(detail: string, advice: string): Finding {
  return { status: 'fail', detail, advice }
}

export function skipped(detail: string, advice?: string): Finding {
  return { status: 'skipped', detail, ...(advice === undefined ? {} : { advice }) }
}
