#!/usr/bin/env -S node --max-semi-space-size=8
import process from 'node:process'
import { run } from './cli/program.ts'

const { stdin, stdout, stderr, env } = process
// A reader that has seen enough, such as `head`, is no failure of the command, and a change of policy goes on to its end.
for (const output of [stdout, stderr]) {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}
process.exitCode = await run(process.argv.slice(2), { stdin, stdout, stderr, env })
