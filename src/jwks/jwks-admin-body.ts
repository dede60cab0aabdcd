import { raceSignal } from "../lib/signal.js";
import { parseStrictJsonObject } from "../token/strict-json.js";
import { JwksAdminRefusal } from "./jwks-admin-refusal.js";
import type { JwksRegistration } from "./registration.js";

/** Fields of a registration that cannot be set over HTTP: the path names its ids, the rest is code or weakens the rules. */
type OwnFields = "tenantId" | "providerId" | "fetch" | "allowLoopbackHttp";
type SettableField = Exclude<keyof JwksRegistration, OwnFields>;

// Every field of a registration is either here or in OwnFields: a new one has to be thought about.
const SETTABLE: Readonly<Record<SettableField, true>> = {
  url: true,
  issuer: true,
  minTtlMs: true,
  maxTtlMs: true,
  fallbackTtlMs: true,
  refreshEarlyMs: true,
  refreshJitterMs: true,
  attemptTimeoutMs: true,
  totalTimeoutMs: true,
  retries: true,
  retryMinDelayMs: true,
  retryMaxDelayMs: true,
  retryJitter: true,
  cooldownMs: true,
  breakerFailures: true,
  breakerOpenMs: true,
  staleWhileErrorMs: true,
  maxBodyBytes: true,
  maxKeys: true,
  maxPendingCallers: true,
  allowedDomains: true,
  maxRedirects: true,
};

/** What a request body may set of a registration. Only the names are checked; the registry checks the values. */
export type RegistrationBody = Pick<JwksRegistration, SettableField>;

const MAX_BODY_BYTES = 64 * 1_024;
const JSON_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
// What may be repeated in an answer.
const FIELD_NAME = /^[A-Za-z]{1,40}$/;

/**
 * Reads the body of a request as a registration without its ids.
 *
 * @throws JwksAdminRefusal 415 unless it is plain `application/json`, 413 above 64 KiB, 400 unless it is one JSON object
 * without repeated members, or for a field that cannot be set.
 */
export async function readRegistrationBody(request: Request): Promise<RegistrationBody> {
  assertPlainJson(request.headers);
  const body = parseStrictJsonObject(await readBytes(request));
  if (body === undefined) {
    throw new JwksAdminRefusal(400, "ERR_MALFORMED", "The body must be one JSON object, with no member twice");
  }
  const foreign = Object.keys(body).find((name) => !Object.hasOwn(SETTABLE, name));
  if (foreign !== undefined) throw foreignField(foreign);
  // The names are right; the registry says what is wrong with the values.
  return body as unknown as RegistrationBody;
}

function assertPlainJson(headers: Headers): void {
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() === "identity" && JSON_TYPE.test(headers.get("content-type") ?? "")) return;
  const message = "The body must be of content-type application/json, and not compressed";
  throw new JwksAdminRefusal(415, "ERR_MEDIA_TYPE", message, { headers: { accept: "application/json" } });
}

async function readBytes({ body, signal }: Request): Promise<Uint8Array> {
  const bytes = new Uint8Array(MAX_BODY_BYTES);
  if (body === null) return bytes.subarray(0, 0);
  const reader = body.getReader();
  let length = 0;
  for (;;) {
    const { done, value } = await raceSignal(reader.read(), signal);
    if (done) return bytes.subarray(0, length);
    if (length + value.byteLength > MAX_BODY_BYTES) {
      // What is still on its way is of no use.
      reader.cancel().catch(() => {});
      throw new JwksAdminRefusal(413, "ERR_BODY_TOO_LARGE", `The body must be at most ${MAX_BODY_BYTES} bytes`);
    }
    bytes.set(value, length);
    length += value.byteLength;
  }
}

function foreignField(name: string): JwksAdminRefusal {
  const field = FIELD_NAME.test(name) ? name : undefined;
  const message = `${field ?? "A field of the body"} is not a field that can be set here`;
  return new JwksAdminRefusal(400, "ERR_FIELD_INVALID", message, { field });
}
