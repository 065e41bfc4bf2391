import { allNodes, type CommandNode, type OptionNode } from './command-tree.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** Words that stand in a script unquoted; anything else would be a bug of ours. */
const PLAIN_WORD = /^[A-Za-z0-9-]+$/

/**
 * The script that completes the commands, options and choices of the tree in a shell. It asks nobody: it neither runs the command
 * nor reads the configuration. Throws `TypeError` for a name that would have to be quoted.
 */
export function completionScript(shell: Shell, root: CommandNode): string {
  return { bash, zsh, fish }[shell](root)
}

function words(texts: readonly string[]): string {
  const bad = texts.find((text) => !PLAIN_WORD.test(text))
  if (bad !== undefined) throw new TypeError(`${JSON.stringify(bad)} cannot be completed`)
  return texts.join(' ')
}

function keyOf({ path }: CommandNode): string {
  return words(path)
}

function wordsOf({ commands, choices }: CommandNode): string {
  return words([...commands.map(({ path }) => path.at(-1) ?? ''), ...choices])
}

/** Bash 3.2 is still the bash of macOS: no associative arrays, no `compopt` there. */
function bash(root: CommandNode): string {
  const nodes = allNodes(root)
  return `# bash completion of callout. Load it with: source <(callout completion bash)
_callout_paths() {
  local found
  compopt -o filenames 2>/dev/null
  while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen -f -- "$1")
}
_callout() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path="" word candidates="" index
  if [[ "$current" == "=" ]]; then current=""; elif [[ "$previous" == "=" ]]; then previous="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${path:+$path }\${COMP_WORDS[index]}"
    case "$word" in
${cases(nodes.filter(({ path }) => path.length > 0).map((node) => [keyOf(node), 'path="$word"']))}
    esac
  done
  COMPREPLY=()
  case "$path $previous" in
${cases(nodes.flatMap((node) => node.options.filter(({ takesValue }) => takesValue).map((option): Case => [`${keyOf(node)} ${words([option.flag])}`, bashValues(option)])))}
  esac
  case "$path" in
${cases(nodes.map((node) => [keyOf(node), `if [[ "$current" == -* ]]; then candidates="${optionWords(node)}"; else candidates="${wordsOf(node)}"; fi`]))}
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}
complete -F _callout callout
`
}

type Case = readonly [pattern: string, action: string]

function cases(entries: readonly Case[]): string {
  return entries.map(([pattern, action]) => `    "${pattern}") ${action} ;;`).join('\n')
}

/** What a value can be; nothing is proposed for one that may be anything. */
function bashValues({ choices, takesPath }: OptionNode): string {
  if (choices.length > 0) return `COMPREPLY=($(compgen -W "${words(choices)}" -- "$current")); return`
  return takesPath ? '_callout_paths "$current"; return' : 'return'
}

function optionWords({ options }: CommandNode): string {
  return words(options.map(({ flag }) => flag))
}

function zsh(root: CommandNode): string {
  const nodes = allNodes(root)
  const entries = nodes.map((node): Case => {
    const options = node.options.map((option) => quoted(zshOption(option)))
    const rest = [
      ...node.commands.map(({ path, description }) => [path.at(-1) ?? '', description]),
      ...node.choices.map((choice) => [choice, '']),
    ]
    const described = rest.map(([name = '', description = '']) => quoted(`${words([name])}:${zshText(description)}`))
    const lists = [`options=(${options.join(' ')})`, `names=(${described.join(' ')})`]
    return [keyOf(node), lists.join('; ')]
  })
  return `#compdef callout
# zsh completion of callout. Load it with: source <(callout completion zsh)
_callout() {
  local place="" word index
  local -a options names
  for ((index = 2; index < CURRENT; index++)); do
    word="\${place:+$place }\${words[index]}"
    case "$word" in
${cases(nodes.filter(({ path }) => path.length > 0).map((node) => [keyOf(node), 'place="$word"']))}
    esac
  done
  case "$place" in
${cases(entries)}
  esac
  if (( \${#names} )) && [[ "\${words[CURRENT]}" != -* && "\${words[CURRENT-1]}" != --* ]]; then
    _describe command names
  else
    _arguments -S $options '*: :'
  fi
}
compdef _callout callout
`
}

function zshOption({ flag, description, takesValue, choices, takesPath }: OptionNode): string {
  const shown = `*${words([flag])}[${zshText(description)}]`
  if (!takesValue) return shown
  if (choices.length > 0) return `${shown}:value:(${words(choices)})`
  return `${shown}:value:${takesPath ? '_files' : ' '}`
}

/** Brackets and colons end a text of zsh. */
function zshText(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, String.raw`\$&`)
}

function fish(root: CommandNode): string {
  const lines = allNodes(root).flatMap((node) => {
    const here = quoted(`__callout_at ${keyOf(node)}`)
    const line = (...parts: readonly string[]): string => ['complete -c callout -n', here, ...parts].join(' ')
    return [
      ...node.commands.map(({ path, description }) =>
        line('-a', words([path.at(-1) ?? '']), '-d', fishQuoted(description)),
      ),
      ...node.choices.map((choice) => line('-a', words([choice]))),
      ...node.options.map((option) => line(...fishOption(option))),
    ]
  })
  const paths = allNodes(root).filter(({ path }) => path.length > 0)
  return `# fish completion of callout. Load it with: callout completion fish | source
function __callout_at
  set -l place
  for word in (commandline -opc)[2..-1]
    switch (string join ' ' -- $place $word)
      case ${paths.map((node) => quoted(keyOf(node))).join(' ')}
        set place $place $word
    end
  end
  test "$place" = "$argv"
end
complete -c callout -f
${lines.join('\n')}
`
}

function fishOption({ flag, description, takesValue, choices, takesPath }: OptionNode): string[] {
  const name = ['-l', words([flag.replace(/^-+/, '')]), '-d', fishQuoted(description)]
  if (!takesValue) return name
  if (choices.length > 0) return [...name, '-x', '-a', quoted(words(choices))]
  return [...name, takesPath ? '-rF' : '-x']
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** Within quotes fish obeys a backslash. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`
}
