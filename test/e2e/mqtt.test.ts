import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import type { LocalStack } from '../../src/dev/stack.ts'
import { startStackOfAllKinds, type Listeners } from '../support/client-kinds-stack.ts'
import { until } from '../support/nats.ts'
import { adding } from '../../src/service/policy-edit.ts'
import { SERVER_UNDER_TEST } from '../support/server-under-test.ts'

let stack: LocalStack
let listeners: Listeners

before(async () => {
  ;({ stack, listeners } = await startStackOfAllKinds())
  const both = { account: 'APP', effect: 'allow', reason: 'a test', createdBy: 'a test' } as const
  await stack.admin.edit(
    adding(
      'grant',
      { ...both, principal: 'client:local:orders-service', id: 'in', action: 'subscribe', subject: 'plant.*' },
      { ...both, principal: 'client:local:reporting', id: 'out', action: 'publish', subject: 'plant.line1' },
    ),
  )
})
after(() => stack?.[Symbol.asyncDispose]())

async function device(service: string): Promise<MqttClient> {
  const password = await stack.provider.clientCredentials(service)
  const login = { username: 'APP', password }
  return connectAsync(`mqtt://127.0.0.1:${listeners.mqtt}`, { protocolVersion: 4, reconnectPeriod: 0, ...login }, false)
}

if (SERVER_UNDER_TEST.takesMqttPasswordForJwt)
  test('an MQTT client gets no answer, since nats-server hands its token on as it does in operator mode', async () => {
    await assert.rejects(device('orders-service'), /Not authorized/)
  })
else suite('an MQTT client with grants for the subjects of its topics alone', aboutTopics)

function aboutTopics(): void {
  for (const qos of [0, 1, 2] as const) {
    test(`sends and receives with QoS ${qos}, and what it may not publish is dropped`, async () => {
      const [sender, receiver] = [await device('reporting'), await device('orders-service')]
      const heard: string[] = []
      receiver.on('message', (topic) => void heard.push(topic))
      await receiver.subscribeAsync('plant/+', { qos })
      await sender.publishAsync('plant/line2', '', { qos })
      await until('the message is there', async () => {
        await sender.publishAsync('plant/line1', '', { qos })
        return heard.includes('plant/line1')
      })
      assert.equal(heard.includes('plant/line2'), false)
      for (const client of [sender, receiver]) await client.endAsync()
    })
  }

  test('is told that it may not subscribe to another topic', async () => {
    const receiver = await device('orders-service')
    await assert.rejects(receiver.subscribeAsync('office/door'), /Subscribe error/)
    await receiver.endAsync()
  })
}
