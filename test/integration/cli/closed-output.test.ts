import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'

for (const output of ['stdout', 'stderr'] as const) {
  test(`a command whose ${output} nobody reads any more goes on to its end, and exits as it would`, async () => {
    const main = ['src/main.ts', 'config', 'check', '--config', '/nonexistent/callout.yaml']
    const command = spawn(process.execPath, main, { stdio: ['ignore', 'pipe', 'pipe'] })
    command[output].destroy()
    command[output === 'stdout' ? 'stderr' : 'stdout'].resume()
    const [exitCode] = (await once(command, 'exit')) as [number]
    assert.equal(exitCode, 2)
  })
}
