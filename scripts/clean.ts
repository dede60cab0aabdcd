// A build must not ship files whose source is gone, so it starts from nothing.
import { rmSync } from "node:fs";

for (const path of process.argv.slice(2)) rmSync(path, { recursive: true, force: true });
