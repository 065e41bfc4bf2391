import { setTimeout as delay } from 'node:timers/promises'
import { DEVICE_CLIENT_ID, LOGIN_PATH } from './openid-provider-configuration.ts'

/** Pages of one login: code, confirmation, login, resumption, with a redirect between any two. */
const MAX_REDIRECTS = 10

/** The login is over when we first ask for the token, so this is for a provider that needs a moment to say so. */
const MAX_POLLS = 10
const POLL_MS = 200

/** What the two endpoints answer; which fields there are depends on the endpoint and on success. */
interface Answer {
  readonly device_code?: string
  readonly user_code?: string
  readonly verification_uri_complete?: string
  readonly access_token?: string
  readonly error?: string
  readonly error_description?: string
}

/**
 * Signs a person in at the local provider by the device authorization grant (RFC 8628) and returns the access token for
 * the resource. Does over HTTP what a terminal and a browser would do: ask for a code, open the page, confirm the code,
 * give the name, fetch the token.
 */
export async function deviceLogin(issuer: string, person: string, resource: string): Promise<string> {
  const device = await post(`${issuer}/device/auth`, {
    client_id: DEVICE_CLIENT_ID,
    scope: 'openid connect',
    resource,
  })
  const { device_code: deviceCode, user_code: userCode, verification_uri_complete: codePage } = device
  if (deviceCode === undefined || userCode === undefined || codePage === undefined) {
    throw new Error(`no device code: ${describe(device)}`)
  }
  await signIn(codePage, userCode, person)

  for (let poll = 1; ; poll++) {
    const answer = await post(`${issuer}/token`, {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      client_id: DEVICE_CLIENT_ID,
      device_code: deviceCode,
      resource,
    })
    if (answer.access_token !== undefined) return answer.access_token
    if (answer.error !== 'authorization_pending' || poll === MAX_POLLS) {
      throw new Error(`no token for ${person}: ${describe(answer)}`)
    }
    await delay(POLL_MS)
  }
}

async function post(url: string, form: Record<string, string>): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(form) })
  return (await response.json()) as Answer
}

async function signIn(address: string, userCode: string, person: string): Promise<void> {
  const browse = createBrowser()
  const codePage = await browse(address)
  const form = { user_code: userCode, xsrf: hiddenField(codePage.body, 'xsrf') }
  const confirmation = await browse(codePage.url, form)
  const login = await browse(confirmation.url, { ...form, confirm: 'yes' })
  if (!new URL(login.url).pathname.startsWith(LOGIN_PATH)) throw new Error(`no login page: ${login.body}`)
  const done = await browse(login.url, { name: person })
  if (new URL(done.url).pathname.startsWith(LOGIN_PATH)) throw new Error(`the provider does not know ${person}`)
}

function describe(answer: Answer): string {
  return `${answer.error ?? 'no error code'}: ${answer.error_description ?? ''}`
}

function hiddenField(html: string, name: string): string {
  const value = new RegExp(`name="${name}" value="([^"]+)"`).exec(html)?.[1]
  if (value === undefined) throw new Error(`the page has no field ${name}`)
  return value
}

interface Page {
  readonly url: string
  readonly body: string
}

/** Fetches a page as a browser would: keeps cookies and follows redirects with GET; a form is sent with POST. */
function createBrowser(): (url: string, form?: Record<string, string>) => Promise<Page> {
  const cookies = new Map<string, string>()
  return async (url, form) => {
    let target = url
    let body = form === undefined ? undefined : new URLSearchParams(form)
    for (let redirect = 0; redirect <= MAX_REDIRECTS; redirect++) {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const method = body === undefined ? 'GET' : 'POST'
      const init = { method, headers: { cookie }, redirect: 'manual' as const, ...(body !== undefined && { body }) }
      const response = await fetch(target, init)
      for (const line of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
        if (value === '') cookies.delete(name)
        else cookies.set(name, value)
      }
      const location = response.headers.get('location')
      if (location === null) return { url: target, body: await response.text() }
      target = new URL(location, target).href
      body = undefined
    }
    throw new Error('too many redirects')
  }
}
