// Takes the lock of the directory named by the first argument, prints "held" or why not, and stays.
import { acquireDataDirectoryLock } from "../../src/app/database/data-directory-lock.js";

const [directory = ""] = process.argv.slice(2);
try {
  await acquireDataDirectoryLock(directory);
  console.log("held");
} catch (error) {
  console.log(error instanceof Error ? error.message : "failed");
}
setInterval(() => {}, 60_000);
