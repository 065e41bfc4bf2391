import { OLDEST_TESTED_VERSION } from '../../src/dev/nats-server-release.ts'

/** Whatever is imported after this module starts the oldest nats-server that is tested against. */
process.env['NATS_SERVER_VERSION'] = OLDEST_TESTED_VERSION
delete process.env['NATS_SERVER_BIN']
