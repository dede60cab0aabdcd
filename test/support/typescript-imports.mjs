// Lets Node run the sources as they are: an import of "./x.js" in a TypeScript file means "./x.ts".
import { registerHooks } from "node:module";

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (specifier.startsWith(".") && specifier.endsWith(".js") && context.parentURL?.endsWith(".ts")) {
      return nextResolve(`${specifier.slice(0, -2)}ts`, context);
    }
    return nextResolve(specifier, context);
  },
});
