import { z } from 'zod'

/** Claims nest three deep in the tokens of known providers; the bound keeps a walk short. */
const PATH_ELEMENTS_MAX = 8
const MEMBER_CHARACTERS_MAX = 256
/** Alternatives for one value: more than the names that providers have for it. */
const PATHS_MAX = 8

/**
 * A path into the claims: literal member names, never split at dots, so that `https://idp.example/groups` and
 * `cognito:groups` are one member each. A plain text is a path of one element.
 */
export function claimPath() {
  return z.unknown().transform((input, context): string[] => {
    const path = readPath(input)
    if (path !== undefined) return path
    context.addIssue({ code: 'custom', message: problemOf(input, 'must be a list of member names, such as [sub]') })
    return z.NEVER
  })
}

/** Several paths, the first that is present counts. */
export function claimPaths() {
  return z.unknown().transform((input, context): string[][] => {
    const paths = Array.isArray(input) ? input.map(readPath) : []
    if (paths.length > 0 && paths.length <= PATHS_MAX && paths.every((path) => path !== undefined)) return paths
    context.addIssue({
      code: 'custom',
      message: problemOf(input, 'must be a list of paths, such as [[client_id], [azp]]'),
    })
    return z.NEVER
  })
}

function problemOf(input: unknown, problem: string): string {
  return input === undefined ? 'is required' : problem
}

function readPath(input: unknown): string[] | undefined {
  const elements: unknown[] = Array.isArray(input) ? input : [input]
  if (elements.length === 0 || elements.length > PATH_ELEMENTS_MAX) return undefined
  return elements.every(isMember) ? elements : undefined
}

function isMember(element: unknown): element is string {
  return typeof element === 'string' && element.length > 0 && element.length <= MEMBER_CHARACTERS_MAX
}
