import type { Migration } from '../migration.ts'

const OCTET = '(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])'
const IPV4_BLOCK = String.raw`${OCTET}(?:\.${OCTET}){3}/(?:[0-9]|[12][0-9]|3[0-2])`
/** The letters of an address; what they say is judged when a client connects, as DDL cannot. */
const IPV6_BLOCK = '[0-9A-Fa-f:.]{0,43}:[0-9A-Fa-f:.]{0,43}/(?:[0-9]|[1-9][0-9]|1[01][0-9]|12[0-8])'
const BLOCK = `(?:${IPV4_BLOCK}|${IPV6_BLOCK})`
const TYPE = '(?:STANDARD|WEBSOCKET|LEAFNODE|MQTT)'

/**
 * What a connection has to be for a grant to apply; NULL asks nothing. Releases before this migration apply such a grant to every
 * connection: replace all replicas first. `Tls` is for what allows: a deny that asks for TLS would be escaped without TLS.
 */
export const conditions: Migration = {
  version: 4,
  name: 'conditions',
  statements: [
    `ALTER TABLE Grants ADD COLUMN IF NOT EXISTS ConnectionTypes ARRAY<STRING(16)>`,
    `ALTER TABLE Grants ADD COLUMN IF NOT EXISTS SourceCidrs ARRAY<STRING(64)>`,
    `ALTER TABLE Grants ADD COLUMN IF NOT EXISTS Tls STRING(16)`,
    `ALTER TABLE Grants ADD CONSTRAINT CK_Grants_ConnectionTypes CHECK (ConnectionTypes IS NULL
  OR REGEXP_CONTAINS(ARRAY_TO_STRING(ConnectionTypes, ' ', '?'), r'^${TYPE}(?: ${TYPE}){0,3}$'))`,
    `ALTER TABLE Grants ADD CONSTRAINT CK_Grants_SourceCidrs CHECK (SourceCidrs IS NULL OR (ARRAY_LENGTH(SourceCidrs) <= 64
  AND REGEXP_CONTAINS(ARRAY_TO_STRING(SourceCidrs, ' ', '?'), r'^${BLOCK}(?: ${BLOCK})*$')))`,
    `ALTER TABLE Grants ADD CONSTRAINT CK_Grants_Tls CHECK (Tls IS NULL OR (Tls IN ('REQUIRED', 'MUTUAL') AND Effect = 'ALLOW'))`,
  ],
}
