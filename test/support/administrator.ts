import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fromSeed, type KeyPair } from '@nats-io/nkeys'
import type { LocalStack } from '../../src/dev/stack.ts'
import { connectClient } from './nats.ts'
import { reissued, withCreds, type ChangeAccount } from './operator.ts'

/** Who has the keys that `keys generate --operator` made, and changes accounts while everything runs. */
export interface Administrator {
  /** Public key of the system account. */
  readonly systemAccount: string
  /** A key by the name of its file in `secrets`, without the ending. */
  key(name: string): Promise<KeyPair>
  /**
   * Gives every nats-server a changed JWT of the account whose key is in the folder `offline`, signed by the signing key of the
   * operator or by `signer`. Throws what a server says against it.
   */
  change(account: string, change: ChangeAccount, signer?: KeyPair): Promise<void>
}

/** Of a stack in operator mode whose nats-server is one of so many `servers` that are joined. */
export async function administrate({ directory, nats }: LocalStack, servers = 1): Promise<Administrator> {
  const secret = (file: string): Promise<string> => readFile(path.join(directory, 'secrets', file), 'utf8')
  const key = async (name: string): Promise<KeyPair> =>
    fromSeed(new TextEncoder().encode((await secret(`${name}.nk`)).trim()))
  const operatorSigning = await key('offline/operator-signing')
  const creds = await secret('sys.creds')
  return {
    systemAccount: (await key('offline/system-account')).getPublicKey(),
    key,
    async change(account, change, signer = operatorSigning) {
      const subject = `$SYS.REQ.ACCOUNT.${(await key(`offline/${account}`)).getPublicKey()}.CLAIMS`
      await using system = await connectClient(nats.url, withCreds(creds))
      const jwt = await system.request(`${subject}.LOOKUP`)
      const changed = await reissued(jwt.string(), change, signer)
      const everyServer = { strategy: 'count', maxMessages: servers, maxWait: 10_000 } as const
      const replies: string[] = []
      for await (const reply of await system.requestMany(`${subject}.UPDATE`, changed, everyServer))
        replies.push(reply.string())
      assert.equal(replies.length, servers)
      for (const reply of replies) if (reply.includes('"error"')) throw new Error(reply)
    },
  }
}
