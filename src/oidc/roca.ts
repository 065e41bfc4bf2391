/**
 * Odd primes up to 167. Keys of the RSALib of Infineon have primes `k * M + (65537 ** a mod M)`, where M is the product
 * of at least these (and 2), whatever the size of the key from 512 bits on.
 */
const PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
  127, 131, 137, 139, 149, 151, 157, 163, 167,
] as const

const GENERATOR = 65_537

/** For each prime, the remainders that a product of two such primes can leave. */
const REMAINDERS: readonly (readonly [bigint, ReadonlySet<number>])[] = PRIMES.map((prime) => [
  BigInt(prime),
  powersOf(GENERATOR % prime, prime),
])

/**
 * Whether an RSA modulus has the mark of keys that can be factored (ROCA, CVE-2017-15361; Nemec et al., "The Return of
 * Coppersmith's Attack", §2.3): modulo every small prime it is a power of 65537. An honest modulus has it by chance once
 * in about a hundred million.
 */
export function isRocaModulus(modulus: bigint): boolean {
  return REMAINDERS.every(([prime, remainders]) => remainders.has(Number(modulus % prime)))
}

function powersOf(base: number, prime: number): ReadonlySet<number> {
  const powers = new Set<number>()
  for (let power = 1; !powers.has(power); power = (power * base) % prime) powers.add(power)
  return powers
}
