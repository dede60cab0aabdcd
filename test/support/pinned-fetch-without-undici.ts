// Where the package undici is not installed: makes a pinned fetch, uses it, and prints what it rejects with.
import { registerHooks } from "node:module";
import { pinnedFetch } from "../../src/jwks/node-pinned-fetch.js";

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (specifier !== "undici") return nextResolve(specifier, context);
    throw Object.assign(new Error("Cannot find package 'undici'"), { code: "ERR_MODULE_NOT_FOUND" });
  },
});
const fetch = pinnedFetch({ refusePrivateAddresses: true });
const { name, code, message } = await fetch("https://127.0.0.1/", {}).then(
  () => ({ name: "none", code: "", message: "" }),
  (error: { name: string; code: string; message: string }) => error,
);
console.log(JSON.stringify({ name, code, message }));
await fetch[Symbol.asyncDispose]();
