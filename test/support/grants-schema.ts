import { writeFile } from 'node:fs/promises'
import { documentJsonSchema } from '../../src/documents/schema.ts'

/** The JSON Schema of documents of policy. `npm run docs` writes it, `test/tidy.test.ts` compares it. */
export const GRANTS_SCHEMA = new URL('../../deploy/grants.schema.json', import.meta.url)

if (import.meta.main) await writeFile(GRANTS_SCHEMA, `${JSON.stringify(documentJsonSchema(), undefined, 2)}\n`)
