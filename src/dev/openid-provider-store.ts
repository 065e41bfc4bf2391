import type { Adapter, AdapterPayload } from 'oidc-provider'

/** What a provider remembers, in memory, for as long as it runs. Expiry is the provider's own check of `exp`. */
export function createProviderStore(): (model: string) => Adapter {
  const payloads = new Map<string, AdapterPayload>()
  const findWhere = (model: string, fits: (payload: AdapterPayload) => boolean): AdapterPayload | undefined => {
    for (const [key, payload] of payloads) if (key.startsWith(`${model}:`) && fits(payload)) return payload
    return undefined
  }
  return (model) => {
    const keyOf = (id: string): string => `${model}:${id}`
    return {
      async upsert(id, payload) {
        payloads.set(keyOf(id), payload)
      },
      async find(id) {
        return payloads.get(keyOf(id))
      },
      async findByUserCode(userCode) {
        return findWhere(model, (payload) => payload.userCode === userCode)
      },
      async findByUid(uid) {
        return findWhere(model, (payload) => payload.uid === uid)
      },
      async consume(id) {
        const payload = payloads.get(keyOf(id))
        if (payload !== undefined) payload['consumed'] = true
      },
      async destroy(id) {
        payloads.delete(keyOf(id))
      },
      async revokeByGrantId(grantId) {
        for (const [key, payload] of payloads) if (payload.grantId === grantId) payloads.delete(key)
      },
    }
  }
}
