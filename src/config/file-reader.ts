import { createPrivateKey, X509Certificate } from 'node:crypto'
import { problemOfSeed, type SeedPrefix } from './nkey-seed.ts'
import type { Problem } from './problem.ts'
import { readSecretFile } from './secret-file.ts'

/** All that a system trusts has some 220 KiB. */
const CERTIFICATES_BYTES_MAX = 1024 * 1024

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

  /** One certificate or several, in PEM. */
  async certificates(path: string, name: string): Promise<string> {
    return this.#read(path, name, problemOfCertificates, { bytesMax: CERTIFICATES_BYTES_MAX })
  }

  async privateKey(path: string, name: string): Promise<string> {
    return this.#secret(path, name, (text) =>
      /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(text) ? undefined : 'holds no PEM block of a private key',
    )
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

  async readable(path: string, name: string, bytesMax: number): Promise<void> {
    await this.#read(path, name, () => undefined, { bytesMax })
  }

  async #secret(path: string, name: string, check: (text: string) => string | undefined): Promise<string> {
    return this.#read(path, name, check, {
      onWorldReadable: () =>
        this.warnings.push({ path, message: `can be read by every user of this machine (chmod 600): ${name}` }),
    })
  }

  async #read(
    path: string,
    name: string,
    check: (text: string) => string | undefined,
    { bytesMax, onWorldReadable }: { readonly bytesMax?: number; readonly onWorldReadable?: () => void },
  ): Promise<string> {
    const file = await readSecretFile(name, bytesMax)
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

function problemOfCertificates(text: string): string | undefined {
  const blocks = text.split(/(?=-----BEGIN )/).filter((block) => /^-----BEGIN (?:[A-Z]+ )?CERTIFICATE-----/.test(block))
  if (blocks.length === 0) return 'holds no PEM block of a certificate'
  return blocks.every(isCertificate) ? undefined : 'holds a certificate that cannot be read'
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    // The error of the parser says no more.
    return false
  }
}
