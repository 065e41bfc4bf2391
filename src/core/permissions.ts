/** The two sides of a user JWT as nats-server reads them; an absent list on both keys of a side would mean full access. */
export interface Permissions {
  readonly publish: SubjectPermission
  readonly subscribe: SubjectPermission
}

/** Sorted, without duplicates. In `subscribe`, an entry may be `subject queue`. */
export interface SubjectPermission {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}
