import { ANSWER_CHECKS } from './answer-checks.ts'
import type { Check } from './check.ts'
import { CONFIG_CHECKS } from './config-checks.ts'
import { ISSUER_CHECKS } from './issuer-checks.ts'
import { MEMBERS_CHECKS } from './members-checks.ts'
import { MODE_CHECKS } from './mode-checks.ts'
import { REACH_CHECKS } from './reach-checks.ts'
import { STORE_CHECKS } from './store-checks.ts'
import { SYSTEM_CHECKS } from './system-checks.ts'

/** From outside in. */
export const CHECKS: readonly Check[] = [
  ...CONFIG_CHECKS,
  ...REACH_CHECKS,
  ...SYSTEM_CHECKS,
  ...MEMBERS_CHECKS,
  // After the connections of the accounts have been asked for: by then the servers have loaded their JWTs.
  ...MODE_CHECKS,
  ...ANSWER_CHECKS,
  ...ISSUER_CHECKS,
  ...STORE_CHECKS,
]
