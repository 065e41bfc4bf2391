import type { Command } from 'commander'
import type { CommandContext } from '../command-options.ts'
import { addAuditEvidenceCommands } from './audit-evidence.ts'
import { addAuditExportCommand } from './audit-export.ts'
import { addAuditSearchCommands } from './audit-search.ts'

/** `callout audit …` */
export function addAuditCommands(program: Command, context: CommandContext): void {
  const audit = program.command('audit').description('what was decided, and what proves it')
  addAuditSearchCommands(audit, context)
  addAuditExportCommand(audit, context)
  addAuditEvidenceCommands(audit, context)
}
