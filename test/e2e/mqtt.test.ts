import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createAccount } from '@nats-io/nkeys'
import { connectAsync, type MqttClient } from 'mqtt'
import { KEYS_CONFIG_FILE } from '../../src/dev/reference-nats-server.ts'
import type { LocalStack } from '../../src/dev/stack.ts'
import type { JwtClaims } from '../../src/nats/jwt.ts'
import { startStackOfAllKinds, type Listeners } from '../support/client-kinds-stack.ts'
import { metric } from '../support/clients.ts'
import { aUserNkey, forgeJwt, signNow, until } from '../support/nats.ts'
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
  return connectWith(await stack.provider.clientCredentials(service))
}

function connectWith(password: string): Promise<MqttClient> {
  const login = { username: 'APP', password }
  return connectAsync(`mqtt://127.0.0.1:${listeners.mqtt}`, { protocolVersion: 4, reconnectPeriod: 0, ...login }, false)
}

if (SERVER_UNDER_TEST.takesMqttPasswordForJwt)
  test('an MQTT client is refused, since nats-server hands its token on as it does in operator mode', async () => {
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

suite('an MQTT client whose password is a NATS JWT of its own making', () => {
  const user = { iat: Math.floor(Date.now() / 1000), sub: aUserNkey(), nats: { type: 'user', version: 2 } }
  const passwords: [string, () => Promise<string>][] = [
    ['in a spelling that is not ours', () => Promise.resolve(inAnotherSpelling(user))],
    ['in the name of our issuer', async () => forgeJwt(await inNameOfOurIssuer(user), createAccount())],
  ]
  for (const [what, password] of passwords) {
    test(`${what} is refused as one without a token, and the service stays ready`, async () => {
      const refusals = 'nats_callout_decisions_total{outcome="deny",reason="token_missing"}'
      const before = await metric(stack.service, refusals)
      await assert.rejects(connectWith(await password()), /Not authorized/)
      const readiness = await fetch(`${stack.service.httpUrl}/readyz`)
      assert.deepEqual([(await metric(stack.service, refusals)) - before, readiness.status], [1, 200])
    })
  }
})

function inAnotherSpelling(claims: JwtClaims): string {
  const signer = createAccount()
  const segments = [
    { typ: 'jwt', alg: 'ed25519-nkey' },
    { ...claims, iss: signer.getPublicKey() },
  ]
  const signed = segments.map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')).join('.')
  return `${signed}.${signNow(signed, signer).toString('base64url')}`
}

async function inNameOfOurIssuer({ nats, ...claims }: { readonly nats: object }): Promise<JwtClaims> {
  const keys = await readFile(path.join(stack.directory, KEYS_CONFIG_FILE), 'utf8')
  const [, issuer] = /CALLOUT_ISSUER\s*=\s*"(A\w+)"/.exec(keys) ?? assert.fail()
  return { ...claims, nats: { ...nats, issuer_account: issuer } }
}
