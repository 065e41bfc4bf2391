/** SPIFFE-ID §2.3: nothing longer is a SPIFFE ID. */
const CHARACTERS_MAX = 2048

/** SPIFFE-ID §2.1: no port, no user, no upper case. */
const TRUST_DOMAIN = 'spiffe://[a-z0-9._-]{1,255}'
const IS_TRUST_DOMAIN = new RegExp(`^${TRUST_DOMAIN}$`)

/** SPIFFE-ID §2.2: segments are not empty, not relative and not percent-encoded. */
const IS_WORKLOAD = new RegExp(String.raw`^(${TRUST_DOMAIN})(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)+$`)

/** Whether a text claims to be a SPIFFE ID, well-formed or not. */
export function hasSpiffeScheme(text: string): boolean {
  return /^spiffe:/i.test(text)
}

/** Whether a text is the ID of a trust domain, `spiffe://<trust domain>`. */
export function isTrustDomainId(text: string): boolean {
  return IS_TRUST_DOMAIN.test(text)
}

/** The ID of the trust domain of a workload's SPIFFE ID, `spiffe://<trust domain>/<path>`; undefined for anything else. */
export function trustDomainOf(workloadId: string): string | undefined {
  return workloadId.length <= CHARACTERS_MAX ? IS_WORKLOAD.exec(workloadId)?.[1] : undefined
}
