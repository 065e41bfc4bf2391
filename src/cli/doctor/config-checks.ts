import { ok, warn, type Check } from './check.ts'

export const CONFIG_CHECKS: readonly Check[] = [
  {
    id: 'config.files',
    title: 'the configuration and the files that it names are right, and no secret can be read by everybody',
    async run({ configFile, fileWarnings }) {
      if (fileWarnings.length === 0) return [ok(configFile)]
      return fileWarnings.map(({ path, message }) =>
        warn(`${path} ${message}`, 'give the file mode 0600, owned by the user that runs the service'),
      )
    },
  },
]
