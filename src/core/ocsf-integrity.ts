import { contentHash, type Sha256 } from './audit-chain.ts'
import type { OcsfEvent, OcsfTools } from './ocsf.ts'
import { filled, numberOf, textOf, type StoredColumns } from './stored-columns.ts'

/** Where a row stands in the chain of its writer. */
export interface Place {
  readonly chainId: string
  readonly seq: number
  readonly previousHash: string
  readonly rowHash: string
}

/** Undefined for rows of releases before the chains. */
export function placeOf(row: StoredColumns): Place | undefined {
  const [chainId, seq] = [textOf(row, 'ChainId'), numberOf(row, 'ChainSeq')]
  const [previousHash, rowHash] = [textOf(row, 'PreviousHash'), textOf(row, 'RowHash')]
  if (chainId === undefined || seq === undefined || previousHash === undefined || rowHash === undefined)
    return undefined
  return { chainId, seq, previousHash, rowHash }
}

const SHA_256_HEX = { algorithm_id: 3, algorithm: 'SHA-256', encoding_id: 1, encoding: 'Hex' } as const

/** Over four lines, the last of which is `raw_data_hash`: `linkHash`. */
function linkFingerprint(value: string): object {
  return { ...SHA_256_HEX, serialization_id: 99, serialization: 'nats-spanner-callout RowHash', value }
}

/**
 * The attributes of the profile `record_integrity`: the place of the row in the chain of its writer, where each row has an event of the
 * type `typeUid`. `raw_data_hash` is over the canonical JSON of the row (`contentHash`), so that the
 * fingerprint can be computed anew from the event alone, and that hash from the row.
 */
export function integrityOf(row: StoredColumns, typeUid: number, { sha256 }: OcsfTools): OcsfEvent {
  const place = placeOf(row)
  if (place === undefined) return {}
  const { chainId, seq, previousHash, rowHash } = place
  const previous = {
    uid: `${chainId}:${seq - 1}`,
    type_uid: typeUid,
    fingerprint: linkFingerprint(previousHash),
  }
  const attestation = {
    uid: `${chainId}:${seq}`,
    chain_uid: chainId,
    fingerprint: linkFingerprint(rowHash),
    ...filled({ authority_uid: textOf(row, 'InstanceId'), prev_event: seq > 1 ? previous : undefined }),
  }
  const content = contentHashOf(row, sha256)
  return {
    attestation_list: [attestation],
    ...(content !== undefined && {
      raw_data_hash: { ...SHA_256_HEX, serialization_id: 2, serialization: 'JCS', value: content },
    }),
  }
}

/** Undefined for a row that somebody made no JSON of: it is exported none the less, and `callout audit verify` finds it. */
function contentHashOf(row: StoredColumns, sha256: Sha256): string | undefined {
  try {
    return contentHash(row, sha256)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}
