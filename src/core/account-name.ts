/** As the CHECK constraint of the column `Account`: what an account of nats-server may be called here. */
const ACCOUNT_NAME = /^[^\s\p{Cc}\p{Cs}\p{Z}]{1,128}$/u

export function isAccountName(text: string): boolean {
  return ACCOUNT_NAME.test(text)
}
