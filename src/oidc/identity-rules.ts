import type { ClaimPath } from './issuer-options.ts'
import type { MatchRule, MatchValue } from './match-rule.ts'

/** Where the subject is. */
export type SubjectRule =
  | { readonly path: ClaimPath }
  /** The first that is present; one that is present and wrong is not passed over. */
  | { readonly firstOf: readonly ClaimPath[] }
  /** All of them with the separator in between, for subjects that are unique only together. */
  | { readonly join: readonly ClaimPath[]; readonly separator: string }

export interface GroupRules {
  readonly path: ClaimPath
  /** One character between the groups of a claim that is a single text; without it such a text is one group. */
  readonly split?: string
  /** Put before every group, so that lists of different origin cannot be mistaken for each other. */
  readonly prefix?: string
  /** A token with more is refused. */
  readonly max: number
}

/** How the claims of an accepted token become an identity. */
export interface IdentityRules {
  readonly subject: SubjectRule
  /** The first path that is present names the client. */
  readonly clientId: readonly ClaimPath[]
  readonly groups?: GroupRules
  /**
   * `auto`: a client when the subject is the client id (RFC 9068 §2.2), else a user; `clientIf`: a client when the rule
   * holds, else a user.
   */
  readonly kind: 'auto' | 'user' | 'client' | { readonly clientIf: MatchRule }
  /** Name of the variable, and the claim that holds its value. */
  readonly attributes: Readonly<Record<string, ClaimPath>>
  /** A name for people, left out unless `requires` holds exactly. */
  readonly display?: {
    readonly path: ClaimPath
    readonly requires?: { readonly path: ClaimPath; readonly equals: MatchValue }
  }
}

/** Each group is one more key in the read of the grants. */
const GROUPS_MAX = 500

/** What is wrong with the rules, whoever composed them. */
export function identityRuleProblems(rules: IdentityRules): string[] {
  const { subject, groups, kind, display } = rules
  const paths = [
    ...subjectPaths(subject),
    ...rules.clientId,
    ...Object.values(rules.attributes),
    ...(groups === undefined ? [] : [groups.path]),
    ...(display === undefined ? [] : [display.path]),
    ...(display?.requires === undefined ? [] : [display.requires.path]),
    ...(typeof kind === 'object' ? [kind.clientIf.path] : []),
  ]
  const problems = paths.some((path) => path.length === 0) ? ['a claim path must name at least one member'] : []
  if ('firstOf' in subject && subject.firstOf.length === 0) problems.push('subject firstOf must not be empty')
  if ('join' in subject) problems.push(...joinProblems(subject))
  if (kind !== 'auto' && kind !== 'user' && rules.clientId.length === 0) {
    problems.push(`kind ${typeof kind === 'object' ? 'clientIf' : kind} needs a clientId path`)
  }
  if (groups !== undefined && !(Number.isInteger(groups.max) && groups.max > 0 && groups.max <= GROUPS_MAX)) {
    problems.push(`groups max must be from 1 to ${GROUPS_MAX}`)
  }
  if (groups?.split !== undefined && groups.split.length !== 1) problems.push('groups split must be one character')
  return problems
}

export function subjectPaths(subject: SubjectRule): readonly ClaimPath[] {
  if ('path' in subject) return [subject.path]
  return 'firstOf' in subject ? subject.firstOf : subject.join
}

/** With a separator of two characters, `a:` and `b` would join to the same text as `a` and `:b`. */
function joinProblems({ join, separator }: Extract<SubjectRule, { join: unknown }>): string[] {
  return [
    ...(join.length < 2 ? ['subject join needs at least two parts'] : []),
    ...(separator.length === 1 ? [] : ['the separator of subject join must be one character']),
  ]
}
