import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import { createAccount } from '@nats-io/nkeys'
import fc from 'fast-check'
import { cleanLine } from '../../../src/telemetry/log-line.ts'
import { recordingLogger } from './telemetry-fixture.ts'

const JWT = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl'
const SEED = new TextDecoder().decode(createAccount().getSeed())

suite('a log line', () => {
  test('is one JSON object with time, level, fields of the process and message', () => {
    const { logger, records } = recordingLogger()
    logger.warn({ event: 'x' }, 'what')
    const [record] = records()
    assert.match(String(record?.['time']), /^\d{4}-\d\d-\d\dT/)
    assert.deepEqual([record?.['level'], record?.['instanceId'], record?.['msg']], ['warn', 'test', 'what'])
  })

  test('stays one line whatever a client puts into it', () => {
    const { logger, text, records } = recordingLogger()
    const forged = 'a\n{"level":"info","msg":"forged"}\r\n\u001b[2J\u009b2J\u2028\u202ereversed\ud800'
    logger.info({ clientName: forged })
    assert.equal(text().split('\n').length, 2)
    assert.match(text(), /^[\u0020-\u007e]*\n$/)
    assert.equal(records()[0]?.['clientName'], forged)
  })

  for (const [what, secret] of [
    ['a token', JWT],
    ['a token after an escaped newline', `\n${JWT}`],
    ['a token cut off in its signature', JWT.slice(0, -4)],
    ['a seed', SEED],
    ['a private key', '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----'],
    [
      'a credentials file',
      `-----BEGIN NATS USER JWT-----\n${JWT}\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\n${SEED}\n`,
    ],
  ] as const) {
    test(`loses ${what} that an error message quotes`, () => {
      const { logger, text } = recordingLogger()
      logger.error({ error: { message: `could not parse "${secret}"` } }, `bad ${secret}`)
      assert.doesNotMatch(text(), new RegExp(`${JWT.slice(10, 30)}|${SEED.slice(4, 20)}|MHcCAQEE`))
      assert.match(text(), /\[redacted\]/)
    })
  }

  for (const key of ['password', 'credentials', 'token', 'jwt', 'seed', 'authToken']) {
    test(`loses what is called ${key}, also below another name`, () => {
      const { logger, text } = recordingLogger()
      logger.info({ [key]: 'hunter2', request: { [key]: 'hunter2', inner: { [key]: 'hunter2' } } })
      assert.doesNotMatch(text(), /hunter2/)
    })
  }

  test('parses to the same values after it was made safe to look at', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        fc.pre(!value.includes('eyJ') && !value.includes('-----BEGIN'))
        assert.deepEqual(JSON.parse(cleanLine(JSON.stringify({ value }))), { value })
      }),
    )
  })
})

test('a log that nobody reads does not hold the process, and what is lost is counted', async () => {
  const script = `
    import { createLogger } from ${JSON.stringify(new URL('../../../src/telemetry/logger.ts', import.meta.url).href)}
    let dropped = 0
    const logger = createLogger({ level: 'info', onDropped: () => dropped++ })
    const filler = 'x'.repeat(1000)
    for (let i = 0; i < 12000; i++) logger.info({ filler })
    process.stderr.write(String(dropped))
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [dropped] = (await once(child.stderr, 'data')) as [Buffer]
  assert.ok(Number(dropped.toString()) > 0)
  child.kill('SIGKILL')
  await once(child, 'exit')
})
