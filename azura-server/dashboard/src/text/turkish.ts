// All that is Turkish, so that it is loaded only where Turkish is spoken.

import { messages } from "./messages-tr";
import { report } from "./report-tr";
import { schema } from "./schema-tr";
import { translator } from "./templates";

export { tr } from "./tr";
export const told = translator({ ...schema, ...messages });
/** Reports have single words, as heads and labels, that mean something else elsewhere. */
export const reported = translator({ ...messages, ...report });
