import { grpc } from 'google-gax'
import { startGrpcProxy, type GrpcProxy } from './grpc-proxy.ts'

/** Lets everything through but commits to some table, which fail while `isRefusing`: reads go on, as when a leader is away. */
export interface RefusingProxy extends GrpcProxy {
  isRefusing: boolean
  /** With what status; UNAVAILABLE unless something else is said. */
  status: grpc.status
}

export async function startRefusingProxy(emulatorHost: string, table: string): Promise<RefusingProxy> {
  const state = { isRefusing: false, status: grpc.status.UNAVAILABLE }
  const proxy = await startGrpcProxy(emulatorHost, (name, request) => {
    if (name !== 'commit' || !state.isRefusing || !writesTo(request, table)) return undefined
    return Object.assign(new Error('refused by the proxy'), {
      code: state.status,
      details: 'refused by the proxy',
      metadata: new grpc.Metadata(),
    })
  })
  return Object.assign(state, proxy)
}

function writesTo(request: Record<string, unknown>, table: string): boolean {
  const mutations = (request['mutations'] ?? []) as Record<string, { readonly table?: string } | null>[]
  return mutations.some((mutation) => Object.values(mutation).some((write) => write?.table === table))
}
