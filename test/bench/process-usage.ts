import { readFile } from 'node:fs/promises'

/** `getconf CLK_TCK`: 100 wherever Linux runs, since the kernel scales to it for user space. */
const TICKS_PER_SECOND = 100

export interface ProcessUsage {
  /** User and system time since the start of the process, to 10 ms. */
  readonly cpuMs: number
  /** The part of it that the first thread spent: in Node.js all that is not crypto, garbage collection and compilation. */
  readonly mainThreadCpuMs: number
  readonly rssMiB: number
  /** The most that the process ever held. */
  readonly rssPeakMiB: number
}

/** Reads `/proc` (proc(5)); undefined where there is none, or without a process. */
export async function processUsage(pid: number | undefined): Promise<ProcessUsage | undefined> {
  if (pid === undefined || process.platform !== 'linux') return undefined
  const [stat, mainThread, status] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'latin1'),
    readFile(`/proc/${pid}/task/${pid}/stat`, 'latin1'),
    readFile(`/proc/${pid}/status`, 'latin1'),
  ])
  const mib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  return {
    cpuMs: cpuMsOf(stat),
    mainThreadCpuMs: cpuMsOf(mainThread),
    rssMiB: mib('VmRSS'),
    rssPeakMiB: mib('VmHWM'),
  }
}

/** The name of the program, in brackets, may hold spaces; utime and stime are the 12th and 13th field after it. */
function cpuMsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND
}

/** Busy time of all processors since the machine started; undefined where it cannot be read. */
export async function machineCpuMs(): Promise<number | undefined> {
  if (process.platform !== 'linux') return undefined
  const [, user, nice, system, , , irq, softirq, steal] = (await readFile('/proc/stat', 'latin1')).split(/\s+/, 9)
  const ticks = [user, nice, system, irq, softirq, steal].reduce((sum, field) => sum + Number(field), 0)
  return (ticks * 1000) / TICKS_PER_SECOND
}
