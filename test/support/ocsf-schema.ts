/**
 * Of the published schema what events of ours can have: attributes that are not deprecated, what is required, enums of integers.
 * No package carries the schema; this is taken from https://github.com/ocsf/ocsf-schema at commit
 * a5cfc68e3ca6d5b4468c33f8d7ebb76da967975f (Apache-2.0): `events/base_event.json`, `events/iam`, `objects`, `dictionary.json`, with the
 * profile `record_integrity` and no other. It says nothing of the types of plain values.
 */
interface Definition {
  readonly attributes: string
  readonly required: readonly string[]
  readonly atLeastOne: readonly string[]
  readonly enums: Readonly<Record<string, readonly number[]>>
  /** What the attribute holds, or each element of it. */
  readonly objects: Readonly<Record<string, string>>
}

/** Everything about an event that the schema does not allow. */
export function ocsfProblems(event: object): readonly string[] {
  const problems = problemsOf('', String((event as { class_uid?: unknown }).class_uid), event)
  const { class_uid: classUid, activity_id: activityId, type_uid: typeUid, category_uid: categoryUid } = event as never
  if (typeUid !== classUid * 100 + activityId) problems.push('type_uid is not class_uid * 100 + activity_id')
  if (categoryUid !== 3) problems.push('category_uid is not that of Identity & Access Management')
  return problems
}

function problemsOf(path: string, name: string, value: object): string[] {
  const definition = DEFINITIONS[name]
  if (definition === undefined) return [`${path}: no definition of ${name}`]
  const { required, atLeastOne, enums, objects } = definition
  const known = new Set(definition.attributes.split(' '))
  const members = Object.entries(value) as [string, unknown][]
  const has = (attribute: string): boolean => Object.hasOwn(value, attribute)
  return [
    ...members.filter(([attribute]) => !known.has(attribute)).map(([attribute]) => `${path}${attribute} is unknown`),
    ...members.filter(([, member]) => member === undefined).map(([attribute]) => `${path}${attribute} is undefined`),
    ...required.filter((attribute) => !has(attribute)).map((attribute) => `${path}${attribute} is missing`),
    ...(atLeastOne.length === 0 || atLeastOne.some(has) ? [] : [`${path} has none of ${atLeastOne.join(', ')}`]),
    ...members
      .filter(([attribute, member]) => enums[attribute]?.includes(member as number) === false)
      .map(([attribute]) => `${path}${attribute} is not in its enum`),
    ...members.flatMap(([attribute, member]) => {
      const nested = objects[attribute]
      if (nested === undefined) return []
      const elements: readonly unknown[] = Array.isArray(member) ? member : [member]
      return elements.flatMap((element) => problemsOf(`${path}${attribute}.`, nested, element as object))
    }),
  ]
}

const DEFINITIONS: Readonly<Record<string, Definition>> = {
  3002: {
    attributes:
      'account_switch_type account_switch_type_id activity_id activity_name actor attestation_list auth_factors auth_protocol auth_protocol_id authentication_token category_name category_uid certificate class_name class_uid count dst_endpoint duration end_time enrichments http_request http_response is_cleartext is_mfa is_new_logon is_remote logon_process logon_type logon_type_id message metadata observables raw_data raw_data_hash raw_data_size service session severity severity_id src_endpoint start_time status status_code status_detail status_id time timezone_offset type_name type_uid unmapped user',
    required: ['activity_id', 'category_uid', 'class_uid', 'metadata', 'severity_id', 'time', 'type_uid', 'user'],
    atLeastOne: ['service', 'dst_endpoint'],
    enums: {
      activity_id: [0, 1, 2, 3, 4, 5, 6, 7, 99],
      severity_id: [0, 1, 2, 3, 4, 5, 6, 99],
      status_id: [0, 1, 2, 99],
      account_switch_type_id: [0, 1, 2, 99],
      auth_protocol_id: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99],
      logon_type_id: [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 99],
    },
    objects: {
      attestation_list: 'attestation',
      metadata: 'metadata',
      raw_data_hash: 'fingerprint',
      actor: 'actor',
      src_endpoint: 'network_endpoint',
      authentication_token: 'authentication_token',
      dst_endpoint: 'network_endpoint',
      service: 'service',
      session: 'session',
      user: 'user',
    },
  },
  3003: {
    attributes:
      'activity_id activity_name actor attestation_list category_name category_uid class_name class_uid count dst_endpoint duration end_time enrichments groups http_request http_response iam_roles message metadata observables privileges raw_data raw_data_hash raw_data_size session severity severity_id src_endpoint start_time status status_code status_detail status_id time timezone_offset type_name type_uid unmapped user',
    required: ['activity_id', 'category_uid', 'class_uid', 'metadata', 'severity_id', 'time', 'type_uid', 'user'],
    atLeastOne: ['privileges', 'groups', 'iam_roles'],
    enums: { activity_id: [0, 1, 2, 3, 99], severity_id: [0, 1, 2, 3, 4, 5, 6, 99], status_id: [0, 1, 2, 99] },
    objects: {
      attestation_list: 'attestation',
      metadata: 'metadata',
      raw_data_hash: 'fingerprint',
      actor: 'actor',
      src_endpoint: 'network_endpoint',
      dst_endpoint: 'network_endpoint',
      groups: 'group',
      iam_roles: 'iam_role',
      session: 'session',
      user: 'user',
    },
  },
  3005: {
    attributes:
      'activity_id activity_name actor attestation_list category_name category_uid class_name class_uid count duration end_time enrichments http_request http_response iam_role message metadata observables privileges raw_data raw_data_hash raw_data_size resources severity severity_id src_endpoint start_time status status_code status_detail status_id time timezone_offset type_name type_uid unmapped user',
    required: ['activity_id', 'category_uid', 'class_uid', 'metadata', 'severity_id', 'time', 'type_uid', 'user'],
    atLeastOne: [],
    enums: { activity_id: [0, 1, 2, 3, 4, 99], severity_id: [0, 1, 2, 3, 4, 5, 6, 99], status_id: [0, 1, 2, 99] },
    objects: {
      attestation_list: 'attestation',
      metadata: 'metadata',
      raw_data_hash: 'fingerprint',
      actor: 'actor',
      src_endpoint: 'network_endpoint',
      iam_role: 'iam_role',
      resources: 'resource_details',
      user: 'user',
    },
  },
  metadata: {
    attributes:
      'correlation_uid debug event_code extension extensions is_truncated labels log_format log_level log_name log_provider log_source log_version logged_time loggers modified_time original_event_uid original_time processed_time product profiles reporter sequence source tags tenant_uid total_queued_duration transformation_info_list transmit_time type uid untruncated_size version',
    required: ['product', 'version'],
    atLeastOne: [],
    enums: {},
    objects: { product: 'product' },
  },
  product: {
    attributes: 'cpe_name feature lang name path uid uid_numeric url_string vendor_name version',
    required: [],
    atLeastOne: ['name', 'uid'],
    enums: {},
    objects: {},
  },
  user: {
    attributes:
      'account display_name domain email_addr forward_addr full_name groups has_mfa ldap_person name org phone_number programmatic_credentials risk_level risk_level_id risk_score type type_id uid uid_alt uid_numeric',
    required: [],
    atLeastOne: ['account', 'name', 'uid'],
    enums: { risk_level_id: [0, 1, 2, 3, 4, 99], type_id: [0, 1, 2, 3, 4, 99] },
    objects: { account: 'account', groups: 'group' },
  },
  account: {
    attributes: 'is_disabled is_locked is_on_premises_sync_enabled labels name tags type type_id uid uid_numeric',
    required: [],
    atLeastOne: ['name', 'uid'],
    enums: { type_id: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 99] },
    objects: {},
  },
  group: {
    attributes: 'desc domain name privileges type uid uid_alt uid_numeric',
    required: [],
    atLeastOne: ['name', 'uid'],
    enums: {},
    objects: {},
  },
  actor: {
    attributes: 'app_name app_uid authorizations iam_role idp process session user',
    required: [],
    atLeastOne: ['process', 'user', 'iam_role', 'invoked_by', 'session', 'app_name', 'app_uid'],
    enums: {},
    objects: { iam_role: 'iam_role', idp: 'idp', session: 'session', user: 'user' },
  },
  idp: {
    attributes:
      'auth_factors domain fingerprint has_mfa issuer name protocol_name scim sso state state_id tenant_uid uid uid_numeric url_string',
    required: [],
    atLeastOne: ['name', 'uid'],
    enums: { state_id: [0, 1, 2, 3, 4, 99] },
    objects: { fingerprint: 'fingerprint' },
  },
  authentication_token: {
    attributes:
      'created_time encryption_details expiration_time is_renewable kerberos_flags modified_time name tenant_uid type type_id uid zone',
    required: [],
    atLeastOne: [],
    enums: { type_id: [0, 1, 2, 3, 4, 5, 6, 7, 99] },
    objects: {},
  },
  session: {
    attributes:
      'count created_time credential_uid expiration_reason expiration_time is_mfa is_remote is_vpn issuer terminal uid uid_alt uuid',
    required: [],
    atLeastOne: [],
    enums: {},
    objects: {},
  },
  network_endpoint: {
    attributes:
      'agent_list autonomous_system domain fingerprints hostname hw_info instance_uid interface_name interface_uid intermediate_ips ip isp isp_org location mac mac_vendor name network_scope network_scope_id os owner pool port proxy_endpoint subnet_uid svc_name type type_id uid uid_numeric vlan_uid vpc_uid zone',
    required: [],
    atLeastOne: [
      'ip',
      'uid',
      'name',
      'hostname',
      'svc_name',
      'instance_uid',
      'interface_uid',
      'interface_name',
      'domain',
    ],
    enums: { type_id: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 99], network_scope_id: [0, 1, 2, 99] },
    objects: { owner: 'user', pool: 'group', fingerprints: 'fingerprint' },
  },
  service: {
    attributes: 'labels name tags uid uid_numeric version',
    required: [],
    atLeastOne: ['name', 'uid'],
    enums: {},
    objects: {},
  },
  attestation: {
    attributes: 'authority_uid chain_uid fingerprint prev_event signatures uid',
    required: [],
    atLeastOne: ['fingerprint', 'signatures'],
    enums: {},
    objects: { fingerprint: 'fingerprint', prev_event: 'prev_event' },
  },
  fingerprint: {
    attributes: 'algorithm algorithm_id encoding encoding_id serialization serialization_id value',
    required: ['algorithm_id', 'value'],
    atLeastOne: [],
    enums: {
      algorithm_id: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 99],
      encoding_id: [0, 1, 2, 3, 99],
      serialization_id: [0, 1, 2, 3, 4, 5, 6, 7, 8, 99],
    },
    objects: {},
  },
  prev_event: {
    attributes: 'fingerprint type_uid uid',
    required: ['uid'],
    atLeastOne: [],
    enums: {},
    objects: { fingerprint: 'fingerprint' },
  },
  iam_role: {
    attributes: 'account name policies privileges programmatic_credentials resources session uid uid_alt uid_numeric',
    required: [],
    atLeastOne: ['name', 'uid'],
    enums: {},
    objects: { account: 'account', resources: 'resource_details', session: 'session' },
  },
  resource_details: {
    attributes:
      'agent_list cloud_partition created_time criticality data group hostname ip is_backed_up labels modified_time name namespace owner provider region resource_relationship role role_id tags type uid uid_alt uid_numeric version zone',
    required: [],
    atLeastOne: ['name', 'uid'],
    enums: { role_id: [0, 1, 2, 3, 4, 99] },
    objects: { group: 'group', owner: 'user' },
  },
}
