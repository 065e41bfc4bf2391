/** An element as a strict parser of XML 1.0 sees it; text between elements is white space only. */
export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
}

/** Production [2] Char of XML 1.0. */
const CHARACTERS = /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
const DECLARATION = /<\?xml version="1\.0" encoding="UTF-8"\?>\n/y
const TAG = /<(\/?)([A-Za-z]+)((?: [A-Za-z]+="[^<"]*")*)(\/?)>/y

/** Parses the subset without text, CDATA and comments; throws for anything that is not well-formed. */
export function parseXml(text: string): XmlElement {
  if (!CHARACTERS.test(text)) throw new Error('a character that XML cannot hold')
  let position = take(text, DECLARATION, 0).end
  const root: { children: XmlElement[] } = { children: [] }
  const open: { readonly name: string; readonly children: XmlElement[] }[] = []
  while (position < text.length) {
    const { match, end } = take(text, TAG, position)
    const [, closes, name = '', attributes = '', isEmpty] = match
    if (closes === '/') {
      if (open.pop()?.name !== name) throw new Error(`</${name}> closes another element`)
    } else {
      const element = { name, attributes: attributesOf(attributes), children: [] }
      ;(open.at(-1) ?? root).children.push(element)
      if (isEmpty !== '/') open.push(element)
    }
    position = end
    while (/\s/.test(text[position] ?? '')) position += 1
  }
  const [only, another] = root.children
  if (only === undefined || another !== undefined || open.length > 0) throw new Error('not one root element')
  return only
}

function take(text: string, pattern: RegExp, position: number): { match: RegExpExecArray; end: number } {
  pattern.lastIndex = position
  const match = pattern.exec(text)
  if (match === null) throw new Error(`not well-formed at ${JSON.stringify(text.slice(position, position + 40))}`)
  return { match, end: pattern.lastIndex }
}

function attributesOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/ ([A-Za-z]+)="([^"]*)"/g)].map(([, name = '', value = '']) => [
    name,
    unescaped(value),
  ])
  if (new Set(pairs.map(([name]) => name)).size !== pairs.length) throw new Error('an attribute stands twice')
  return Object.fromEntries(pairs) as Record<string, string>
}

function unescaped(value: string): string {
  return value.replaceAll(/&([^;]*);?/g, (_, name: string) => {
    const character = ENTITIES[name]
    if (character === undefined) throw new Error(`no entity ${name}`)
    return character
  })
}
