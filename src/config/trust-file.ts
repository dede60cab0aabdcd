import { parseDocument } from "yaml";
import { z } from "zod";
import { ConfigError } from "../errors.js";
import { withoutUndefined } from "../lib/options.js";
import { JWS_ALGORITHMS } from "../token/algorithms.js";
import type { TrustedIssuer } from "../verify/trusted-issuer.js";

const claimNames = z.strictObject({
  org: z.string().min(1).optional(),
  roles: z.string().min(1).optional(),
  scope: z.string().min(1).optional(),
  principal: z.string().min(1).optional(),
});

// The fields and their names are those of TrustedIssuer, less what a file cannot express. An unknown field is refused:
// a misspelt `audience` must not become an unchecked one.
const trustedIssuer = z
  .strictObject({
    issuer: z.string().min(1),
    audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1), z.null()]),
    algorithms: z.array(z.enum(JWS_ALGORITHMS)).min(1),
    jwksUri: z.string().min(1).optional(),
    discovery: z.literal(true).optional(),
    tokenType: z.string().min(1).nullable().optional(),
    claims: claimNames.optional(),
    maxLifetimeSeconds: z.number().positive().optional(),
    requiredClaims: z.array(z.string().min(1)).optional(),
  })
  .refine(({ jwksUri, discovery }) => (jwksUri === undefined) !== (discovery === undefined), {
    message: "exactly one of jwksUri and discovery must be there",
  });

const trustFile = z.strictObject({ issuers: z.array(trustedIssuer).min(1) });

/**
 * Reads the issuers that a service trusts from YAML.
 *
 * The document has one member, `issuers`: a list of objects with the fields of {@link TrustedIssuer} that a file can
 * express. What the text says about the values is checked here, what they mean when the verifier is made.
 *
 * @param text - The YAML text.
 * @param path - Where it was read, for error messages.
 * @returns The issuers, in the order of the file.
 * @throws ConfigError `ERR_CONFIG_INVALID` naming the file and the line or field.
 */
export function parseTrustFile(text: string, path: string): readonly TrustedIssuer[] {
  const document = parseDocument(text);
  const [syntaxError] = document.errors;
  if (syntaxError !== undefined) throw invalid(path, syntaxError.message.split("\n", 1)[0] ?? syntaxError.code);
  const result = trustFile.safeParse(toPlainValue(() => document.toJS(), path));
  if (!result.success) {
    const [issue] = result.error.issues;
    throw invalid(path, `${issue?.path.map(String).join(".") || "the document"}: ${issue?.message}`);
  }
  return result.data.issuers.map((issuer) => toTrustedIssuer(issuer));
}

function toPlainValue(toJS: () => unknown, path: string): unknown {
  try {
    return toJS();
  } catch (error) {
    // Aliases that multiply, for one.
    throw invalid(path, error instanceof Error ? error.message : "unreadable");
  }
}

/** An absent field and one that is `undefined` are the same to YAML and not to `exactOptionalPropertyTypes`. */
function toTrustedIssuer({ claims, ...rest }: z.infer<typeof trustedIssuer>): TrustedIssuer {
  const fields = { ...rest, claims: claims && withoutUndefined(claims) };
  return withoutUndefined(fields) as TrustedIssuer;
}

function invalid(path: string, reason: string): ConfigError {
  return new ConfigError("ERR_CONFIG_INVALID", `${path} cannot be used: ${reason}`);
}
