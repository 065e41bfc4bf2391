import { loadConfig, loadConfigSecrets } from './configuration.ts'
import { EXIT, type CliIo } from './io.ts'

/** `callout config check`: every problem of the settings and of the files that they name. */
export async function checkConfig(configFile: string, io: CliIo): Promise<number> {
  const config = await loadConfig(configFile)
  await loadConfigSecrets(configFile, config, io)
  const issuers = config.issuers.map(({ id }) => id).join(', ')
  io.stdout.write(
    `${configFile}: ok (issuers: ${issuers}; accounts: ${[...config.callout.accounts.keys()].join(', ')})\n`,
  )
  return EXIT.ok
}
