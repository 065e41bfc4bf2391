import { DEVICE_CLIENT_ID, resourceFor } from './openid-provider-configuration.ts'
import { DEFAULT_AUDIENCE } from './openid-provider.ts'
import type { TextStyle } from './text-style.ts'

/** Where the parts of the running stack are. */
export interface StackPlaces {
  readonly natsUrl: string
  readonly natsMonitorUrl: string
  readonly natsConfigFile: string
  readonly issuer: string
  readonly emulatorHost: string
  /** Holds `client.secret` and `secrets/`. */
  readonly directory: string
  readonly configFile: string
  readonly logFile: string
  /** Base of `/readyz` and `/metrics`. */
  readonly serviceUrl: string
}

/**
 * How to use the running stack with clients of one's own: commands to paste, from the folder of the project. Names files
 * and addresses, holds no secret.
 */
export function demoGuide(places: StackPlaces, style: TextStyle): string {
  const { natsUrl, issuer, emulatorHost, directory, configFile, serviceUrl } = places
  const form = `-d client_id=${DEVICE_CLIENT_ID} -d resource=$FOR`
  const callout = 'npm run -s callout -- grants'
  const title = (text: string, about: string): string => `${style.title(text)}: ${style.quiet(about)}`
  return `
${title('Your turn', 'paste this into another terminal, in the folder of this project')}
  export NATS_URL=${natsUrl} ISSUER=${issuer} FOR=${resourceFor(DEFAULT_AUDIENCE)}
  export SPANNER_EMULATOR_HOST=${emulatorHost} STACK=${directory}
  field() { sed 's/.*"'$1'":"\\([^"]*\\)".*/\\1/'; }

${title('A token for a program', 'orders-service, observer, reporting (in account OPS) or intruder (no grants)')}
  export TOKEN=$(curl -s -u "orders-service:$(cat $STACK/client.secret)" $ISSUER/token \\
    -d grant_type=client_credentials -d scope=connect -d resource=$FOR | field access_token)

${title('A token for a person', 'alice, bob (no grants) or mallory (locked)')}
  LOGIN=$(curl -s $ISSUER/device/auth -d scope=connect ${form})
  echo "$LOGIN" | field verification_uri_complete
  ${style.quiet('… open the page that this prints (a private window for each person), type the name, come back, and')}
  export TOKEN=$(curl -s $ISSUER/token ${form} \\
    -d grant_type=urn:ietf:params:oauth:grant-type:device_code \\
    -d device_code=$(echo "$LOGIN" | field device_code) | field access_token)

${title('Connect with the nats command line', 'alice and observer may listen, orders-service may send')}
  nats --user me --password "$TOKEN" sub 'orders.>'
  nats --user me --password "$TOKEN" pub orders.created hello

${title('Connect with nats.js', 'without ignoreAuthErrorAbort two refusals in a row close a client for good')}
  node --input-type=module -e '
    import { connect } from "@nats-io/transport-node"
    const { NATS_URL: servers, TOKEN: token } = process.env
    const nc = await connect({ servers, token, ignoreAuthErrorAbort: true, maxReconnectAttempts: -1 })
    for await (const message of nc.subscribe("orders.>")) console.log(message.subject, message.string())'

${title('Change the grants', 'whoever connects next gets them, nothing has to be restarted')}
  ${callout} list --config ${configFile}
  ${callout} add --config ${configFile} \\
    --principal user:local:bob --account APP --subscribe 'orders.>' --reason 'just trying'

${title('Look inside', 'the log has a line for each decision')}
  log            ${places.logFile}
  configuration  ${configFile}
  keys           ${directory}/secrets
  nats-server    ${places.natsConfigFile}
  health         ${serviceUrl}/readyz
  metrics        ${serviceUrl}/metrics
  connections    ${places.natsMonitorUrl}/connz?auth=true
`
}
