import type { z } from 'zod'
import { parseAddressBlock } from '../core/cidr.ts'
import {
  CONNECTION_TYPES,
  SOURCE_CIDRS_MAX,
  TLS_REQUIREMENTS,
  type ConnectionCondition,
} from '../core/connection-condition.ts'
import { choice, distinctList, freeText, setting } from './setting.ts'

const addressBlock = freeText().superRefine((value, context) => {
  const parsed = parseAddressBlock(value)
  if ('problem' in parsed) context.addIssue({ code: 'custom', message: parsed.problem })
})

/** What an account asks of the connections of its clients: the settings of one entry of `callout.accounts`. */
export const connectionConditionSettings = {
  connection_types: setting(
    distinctList(choice(CONNECTION_TYPES), { min: 1, max: CONNECTION_TYPES.length }).optional(),
    'list of names',
    'Clients get in only on these kinds of connection: STANDARD, WEBSOCKET, LEAFNODE, MQTT.',
  ),
  source_cidrs: setting(
    distinctList(addressBlock, { min: 1, max: SOURCE_CIDRS_MAX }).optional(),
    'list of CIDRs',
    'Clients get in only from these addresses, as nats-server sees them, such as `10.0.0.0/8` or `2001:db8::/32`.',
  ),
  tls: setting(
    choice(TLS_REQUIREMENTS).optional(),
    'required or mutual',
    'Clients get in only over TLS with nats-server; `mutual` also asks for a client certificate that it verified.',
  ),
}

interface WrittenCondition {
  readonly connection_types?: z.output<(typeof connectionConditionSettings)['connection_types']>
  readonly source_cidrs?: z.output<(typeof connectionConditionSettings)['source_cidrs']>
  readonly tls?: z.output<(typeof connectionConditionSettings)['tls']>
}

/** What the settings of one entry ask for, in our own words; an entry without them asks nothing. */
export function toCondition({
  connection_types: connectionTypes,
  source_cidrs: sourceCidrs,
  tls,
}: WrittenCondition): ConnectionCondition {
  return {
    ...(connectionTypes === undefined ? {} : { connectionTypes }),
    ...(sourceCidrs === undefined ? {} : { sourceCidrs }),
    ...(tls === undefined ? {} : { tls }),
  }
}
