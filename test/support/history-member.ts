import { argv } from 'node:process'
import { startHistoryWriter } from './history.ts'

/** A process that writes the history until it is killed: `history-member.ts <emulator host> <database>`. */
const [, , emulatorHost = '', databaseName = ''] = argv
startHistoryWriter(emulatorHost, databaseName)
// The timers of the writer keep no process alive.
setInterval(() => {}, 60_000)
