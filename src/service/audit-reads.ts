/** That somebody read the audit by a command. */
export interface AuditRead {
  /** Who, as the command found out or was told. */
  readonly reader: string
  /** Such as `audit search`. */
  readonly command: string
  /** What was asked for; never what was found. */
  readonly query: Readonly<Record<string, unknown>>
}

export interface RecordedAuditRead extends AuditRead {
  readonly id: string
  /** RFC 3339, by the clock of the store. */
  readonly readAt: string
}

/** Who read the audit. Throws the `CalloutError`s of every store. */
export interface AuditReads {
  /** Resolves when it is durable; only then may anything be shown. */
  record(read: AuditRead): Promise<void>
  /** Newest first; at most `limit`. */
  list(
    range: { readonly sinceMs?: number; readonly untilMs?: number },
    limit: number,
  ): Promise<readonly RecordedAuditRead[]>
}
