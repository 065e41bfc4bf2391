import { parseDuration } from '../config/units.ts'
import {
  DEFAULT_RESPONSE,
  isResourceAction,
  isResponsePermission,
  RESOURCE_ACTIONS,
  type ResourceAction,
  type ResponsePermission,
} from '../core/grant.ts'
import { problemOfResource } from '../core/resource-action.ts'

/** An action and what it is on, as `--allow` writes them in one word: `stream:read ORDERS`. */
export interface AllowedResource {
  readonly action: ResourceAction
  readonly subject: string
}

export interface ResourceOptions {
  readonly allow?: readonly string[]
  readonly subscribe?: readonly string[]
  readonly deny?: boolean
  readonly queue?: string
  readonly responseMax?: string
  readonly responseTtl?: string
}

/** A line for each thing that is wrong with the actions and answers. */
export function resourceProblems(options: ResourceOptions): string[] {
  const { allow = [], subscribe = [], deny, queue, responseMax, responseTtl } = options
  const problems = allow.flatMap((text) => {
    const parsed = parseAllowed(text)
    return 'problem' in parsed ? [`--allow ${JSON.stringify(text)}: ${parsed.problem}`] : []
  })
  if (allow.length > 0 && deny === true) problems.push('--allow does not go with --deny; deny subjects')
  if (allow.length > 0 && queue !== undefined)
    problems.push('--queue goes with --subscribe only; add the --allow grants apart')
  if (responseMax === undefined && responseTtl === undefined) return problems
  const offered = allow.some((text) => text.startsWith('service:offer '))
  if (deny === true || (subscribe.length === 0 && !offered))
    problems.push('--response-max and --response-ttl go with --subscribe or --allow "service:offer …"')
  const response = parseResponse(options)
  if ('problem' in response) problems.push(response.problem)
  return problems
}

/** Of options without problems. */
export function allowedResources({ allow = [] }: ResourceOptions): AllowedResource[] {
  return allow.flatMap((text) => {
    const parsed = parseAllowed(text)
    return 'problem' in parsed ? [] : parsed
  })
}

/** Of options without problems; undefined when neither is given. */
export function responseFrom(options: ResourceOptions): ResponsePermission | undefined {
  if (options.responseMax === undefined && options.responseTtl === undefined) return undefined
  const parsed = parseResponse(options)
  return 'problem' in parsed ? undefined : parsed
}

function parseAllowed(text: string): AllowedResource | { readonly problem: string } {
  const [action = '', subject, ...more] = text.split(' ')
  if (!isResourceAction(action)) return { problem: `the action must be one of ${RESOURCE_ACTIONS.join(', ')}` }
  if (subject === undefined || more.length > 0) return { problem: 'write the action, one space and the name' }
  const problem = problemOfResource(action, subject)
  return problem === undefined ? { action, subject } : { problem }
}

function parseResponse({ responseMax, responseTtl }: ResourceOptions): ResponsePermission | { problem: string } {
  const max =
    responseMax === undefined ? DEFAULT_RESPONSE.max : Number(/^\d{1,7}$/.exec(responseMax)?.[0] ?? Number.NaN)
  const ttl = responseTtl === undefined ? { value: DEFAULT_RESPONSE.ttlMs } : parseDuration(responseTtl)
  if ('problem' in ttl) return { problem: `--response-ttl ${ttl.problem}` }
  const response = { max, ttlMs: ttl.value }
  if (isResponsePermission(response)) return response
  return { problem: '--response-max must be from 1 to 1000000, --response-ttl from 1ms to 24h' }
}
