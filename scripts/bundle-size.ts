// What a browser downloads: bundles the built package as a user would, and fails when a bundle is over its budget, holds
// a library that belongs to another path, or reaches for Node.js. The peers are no part of the figure, since every
// Connect client has them already; the last column counts them in.
import { gzipSync } from "node:zlib";
import { build, type Metafile } from "esbuild";

interface Budget {
  /** What the bundled module says. */
  readonly code: string;
  /** Most bytes, minified and compressed; absent: only free of `node:*`. */
  readonly maxBytes?: number;
  /** Packages that must not be in it. */
  readonly without?: readonly string[];
}

interface Bundle {
  readonly compressedBytes: number;
  readonly packages: readonly string[];
}

const PEERS = ["@bufbuild/protobuf", "@connectrpc/connect"];

const BUDGETS: readonly Budget[] = [
  {
    code: 'export { bearerAuth, signedJwt } from "latchkey/client";',
    maxBytes: 14_000,
    without: ["cockatiel", "http-cache-semantics", "lru-cache", "oauth4webapi"],
  },
  {
    // Proofs of possession are 2 kB of it; whoever makes none leaves them out.
    code: 'export * from "latchkey/client";',
    maxBytes: 34_500,
    without: ["http-cache-semantics"],
  },
  { code: 'export * from "latchkey/jwks";' },
];

let failed = false;
const rows: Record<string, unknown>[] = [];
for (const { code, maxBytes, without = [] } of BUDGETS) {
  const own = await bundle(code, PEERS);
  const whole = await bundle(code, []);
  rows.push({
    bundle: code.replace(/^export /, "").replace(/;$/, ""),
    kB: toKilobytes(own.compressedBytes),
    "at most": maxBytes === undefined ? "-" : toKilobytes(maxBytes),
    dependencies: own.packages.join(", "),
    "kB with peers": toKilobytes(whole.compressedBytes),
  });
  if (maxBytes !== undefined && own.compressedBytes > maxBytes) {
    report(`${code} costs ${own.compressedBytes} bytes, ${own.compressedBytes - maxBytes} more than its budget`);
  }
  const unwanted = own.packages.filter((name) => without.includes(name));
  if (unwanted.length > 0) report(`${code} brings ${unwanted.join(", ")} along`);
}
console.table(rows);
if (failed) process.exitCode = 1;

async function bundle(code: string, external: readonly string[]): Promise<Bundle> {
  // For a browser esbuild resolves no "node:" module, and fails naming the file that imports it.
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: process.cwd() },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2023",
    external: external.flatMap((name) => [name, `${name}/*`]),
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "error",
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild wrote nothing");
  return { compressedBytes: gzipSync(file.contents, { level: 9 }).byteLength, packages: packagesOf(metafile) };
}

/** The packages that left something in the bundle; what was shaken out does not count. */
function packagesOf({ outputs }: Metafile): readonly string[] {
  const names = Object.values(outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .flatMap(([path]) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []);
  return [...new Set(names)].sort();
}

function toKilobytes(bytes: number): string {
  return (bytes / 1_000).toFixed(1);
}

function report(problem: string): void {
  console.error(problem);
  failed = true;
}
