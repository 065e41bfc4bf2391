import { createPrivateKey } from 'node:crypto'
import { problemOfSeed, type SeedPrefix } from './nkey-seed.ts'
import type { Problem } from './problem.ts'
import { readSecretFile } from './secret-file.ts'

/** Reads files and collects what is wrong with them; a file that is wrong reads as an empty text. */
export class FileReader {
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []

  async password(path: string, name: string): Promise<string> {
    return this.#secret(path, name, (text) =>
      text === '' || /\p{Cc}/u.test(text) ? 'must hold one line with the password' : undefined,
    )
  }

  async seed(path: string, name: string, prefix: SeedPrefix): Promise<string> {
    return this.#secret(path, name, (text) => problemOfSeed(text, prefix))
  }

  async creds(path: string, name: string): Promise<string> {
    return this.#secret(path, name, (text) =>
      ['NATS USER JWT', 'USER NKEY SEED'].every((block) => text.includes(`BEGIN ${block}`))
        ? undefined
        : 'is not a credentials file with a user JWT and a user nkey seed',
    )
  }

  async pem(path: string, name: string, label: 'CERTIFICATE' | 'PRIVATE KEY'): Promise<string> {
    const isSecret = label === 'PRIVATE KEY'
    const hasBlock = (text: string): boolean => new RegExp(`-----BEGIN (?:[A-Z]+ )?${label}-----`).test(text)
    const check = (text: string) => (hasBlock(text) ? undefined : `holds no PEM block of a ${label.toLowerCase()}`)
    return isSecret ? this.#secret(path, name, check) : this.#read(path, name, check)
  }

  /** Visible ASCII, as RFC 6749 A.2 has it. */
  async clientSecret(path: string, name: string): Promise<string> {
    return this.#secret(path, name, (text) =>
      /^[\x20-\x7e]+$/.test(text) ? undefined : 'must hold one line with the client secret, in visible ASCII',
    )
  }

  async signingKey(path: string, name: string): Promise<string> {
    return this.#secret(path, name, (text) => {
      try {
        createPrivateKey(text)
        return undefined
      } catch {
        // The error of the parser would say no more, and must not quote the key.
        return 'holds no private key in PEM that can be read without a password'
      }
    })
  }

  async noteKey(path: string, name: string): Promise<string> {
    return this.#secret(path, name, (text) =>
      /^PRIVATE\+KEY\+[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}$/.test(text)
        ? undefined
        : 'is not a key that signs checkpoints (PRIVATE+KEY+…); "callout audit key" makes one',
    )
  }

  async readable(path: string, name: string): Promise<void> {
    await this.#read(path, name, () => undefined)
  }

  async #secret(path: string, name: string, check: (text: string) => string | undefined): Promise<string> {
    return this.#read(path, name, check, () =>
      this.warnings.push({ path, message: `can be read by every user of this machine (chmod 600): ${name}` }),
    )
  }

  async #read(
    path: string,
    name: string,
    check: (text: string) => string | undefined,
    onWorldReadable?: () => void,
  ): Promise<string> {
    const file = await readSecretFile(name)
    if ('problem' in file) {
      this.problems.push({ path, message: file.problem })
      return ''
    }
    if (file.isWorldReadable) onWorldReadable?.()
    const problem = check(file.text)
    if (problem === undefined) return file.text
    this.problems.push({ path, message: `${problem}: ${name}` })
    return ''
  }
}
