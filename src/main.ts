#!/usr/bin/env node
import process from 'node:process'
import { run } from './cli/program.ts'

const { stdout, stderr, env } = process
process.exitCode = await run(process.argv.slice(2), { stdout, stderr, env })
