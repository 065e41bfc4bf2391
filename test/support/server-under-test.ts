import { defectsOf } from '../../src/cli/doctor/server-defects.ts'
import { knowsSetting } from '../../src/dev/known-settings.ts'
import { locateNatsServer } from '../../src/dev/locate-nats-server.ts'

const { version } = await locateNatsServer()
const defects = defectsOf(version) ?? []

/**
 * What the nats-server that the tests run against does otherwise than the newest, for the tests that meet a difference to expect
 * it. Those that no end-to-end test meets are in `test/integration/nats/server-versions.test.ts`.
 */
export const SERVER_UNDER_TEST = {
  /** `callout doctor` finds something wrong with it. */
  hasKnownDefects: defects.length > 0,
  /** It takes no token or password from a cookie. It does not start with a configuration that names one. */
  ignoresCookies: !knowsSetting(version, 'token_cookie'),
  /**
   * It hands the password of an MQTT client on as a NATS JWT as well, which it does with nothing but the sentinel of operator
   * mode otherwise, and shows it in CONNZ (`server/mqtt.go` mqttParseConnect).
   */
  takesMqttPasswordForJwt: hasDefect('CVE-2026-33216'),
  /** It shows the token of a client that was refused in CONNZ, as its user (`server/client.go` getRawAuthUser). */
  showsRefusedTokens: hasDefect('client_info.user'),
} as const

function hasDefect(source: string): boolean {
  return defects.some((defect) => defect.source.endsWith(source))
}
