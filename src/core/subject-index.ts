import type { SubjectPattern, SubjectToken } from './subject.ts'

interface Node<Item> {
  readonly named: Map<string, Node<Item>>
  any?: Node<Item>
  /** Of patterns that end here, and of those that end here with `>`. */
  readonly ending: Item[]
  readonly rest: Item[]
}

/** Finds the patterns that cover another one without a look at each: as many steps as the subject has tokens, for a few wildcards. */
export class SubjectIndex<Item> {
  readonly #root = newNode<Item>()

  add({ tokens }: SubjectPattern, item: Item): void {
    let node = this.#root
    for (const token of tokens) {
      if (token.kind === 'rest') return void node.rest.push(item)
      node = token.kind === 'any' ? (node.any ??= newNode()) : childOf(node, keyOf(token))
    }
    node.ending.push(item)
  }

  /** The items of every pattern of which `covers(pattern, narrow)` holds (`core/subject.ts`). */
  *covering({ tokens }: SubjectPattern): Generator<Item> {
    const open: { node: Node<Item>; index: number }[] = [{ node: this.#root, index: 0 }]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { node, index } = next
      const token = tokens[index]
      if (token === undefined) {
        yield* node.ending
        continue
      }
      yield* node.rest
      if (token.kind === 'rest') continue
      if (node.any !== undefined) open.push({ node: node.any, index: index + 1 })
      const named = token.kind === 'any' ? undefined : node.named.get(keyOf(token))
      if (named !== undefined) open.push({ node: named, index: index + 1 })
    }
  }
}

function newNode<Item>(): Node<Item> {
  return { named: new Map(), ending: [], rest: [] }
}

function childOf<Item>(node: Node<Item>, key: string): Node<Item> {
  const known = node.named.get(key)
  if (known !== undefined) return known
  const made = newNode<Item>()
  node.named.set(key, made)
  return made
}

/** No literal holds a brace, so a variable is like none. */
function keyOf(token: Extract<SubjectToken, { kind: 'literal' | 'variable' }>): string {
  return token.kind === 'literal' ? token.text : `{{${token.name}}}`
}
