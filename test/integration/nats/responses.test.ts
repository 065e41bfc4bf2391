import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { createInbox, type Msg } from '@nats-io/transport-node'
import {
  assertNothingRefused,
  startJetStreamStand,
  takeRefusals,
  testedServers,
  type GrantedClient,
  type GrantText,
  type JetStreamStand,
} from '../../support/jetstream-stand.ts'
import { until } from '../../support/nats.ts'

for (const binary of await testedServers()) {
  suite(`the response permission of a grant with nats-server ${binary.version}`, () => {
    let stand: JetStreamStand
    before(async () => {
      stand = await startJetStreamStand({ binary })
    })
    after(() => stand?.[Symbol.asyncDispose]())

    /** Asks who subscribes to `work` and returns what arrived there, and a count of the answers. */
    async function ask(
      response: GrantText['response'],
      more: readonly GrantText[] = [],
      reply = createInbox(),
    ): Promise<{ worker: GrantedClient; message: Msg; answers: readonly string[] }> {
      const grant: GrantText = { action: 'subscribe', subject: 'work', ...(response === undefined ? {} : { response }) }
      const worker = await stand.client('worker', [grant, ...more])
      const { connection } = stand.admin
      const answers: string[] = []
      connection.subscribe(reply, { callback: (_, answer) => void answers.push(answer.string()) })
      const received: Msg[] = []
      worker.connection.subscribe('work', { callback: (_, message) => void received.push(message) })
      await worker.connection.flush()
      connection.publish('work', '', { reply })
      await until('the request is there', () => received.length === 1)
      const [message] = received
      assert.ok(message)
      return { worker, message, answers }
    }

    async function heardBy(answers: readonly string[], last: string): Promise<readonly string[]> {
      await until(`${last} is there`, () => answers.includes(last))
      return answers
    }

    test('lets answers pass although nothing may be published, and no more of them than it says', async () => {
      const { worker, message, answers } = await ask({ max: 2, ttlMs: 60_000 })
      message.respond('one')
      message.respond('two')
      await assertNothingRefused(worker)
      message.respond('three')
      assert.deepEqual(await takeRefusals(worker), [`publish ${message.reply}`])
      assert.deepEqual(await heardBy(answers, 'two'), ['one', 'two'])
      await worker.connection.close()
    })

    test('lets no answer pass after its time', async () => {
      const { worker, message, answers } = await ask({ max: 5, ttlMs: 1 })
      const receivedAt = performance.now()
      await until('its time is over', () => performance.now() - receivedAt > 20)
      message.respond('late')
      assert.deepEqual(await takeRefusals(worker), [`publish ${message.reply}`])
      assert.deepEqual(answers, [])
      await worker.connection.close()
    })

    test('lets nothing pass unasked, nor to the inbox of another request', async () => {
      const { worker } = await ask({ max: 2, ttlMs: 60_000 })
      for (const subject of [createInbox(), 'work']) worker.connection.publish(subject)
      assert.equal((await takeRefusals(worker)).length, 2)
      await worker.connection.close()
    })

    test('is not there unless granted', async () => {
      const { worker, message } = await ask(undefined)
      message.respond('one')
      assert.deepEqual(await takeRefusals(worker), [`publish ${message.reply}`])
      await worker.connection.close()
    })

    test('goes wherever the request says, also where a grant denies it, which only a requester can bring about', async () => {
      const deny: GrantText = { action: 'publish', effect: 'deny', subject: 'secret.>' }
      const { worker, message, answers } = await ask({ max: 1, ttlMs: 60_000 }, [deny], 'secret.x')
      message.respond('one')
      assert.deepEqual(await heardBy(answers, 'one'), ['one'])
      await worker.connection.close()
    })
  })
}
