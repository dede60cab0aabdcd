import type { JwksAdminRefusal } from "./jwks-admin-refusal.js";

/** An answer that is no error. */
export interface Success {
  readonly status: number;
  /** Sent as JSON; undefined: no body. */
  readonly body?: unknown;
}

const NOT_STORED = { "cache-control": "no-store" };

/** Makes the response of a request that was fulfilled. */
export function toResponse({ status, body }: Success): Response {
  return body === undefined ? new Response(null, { status, headers: NOT_STORED }) : json(status, body, {});
}

/** Makes the response of a request that was refused. */
export function toErrorResponse({ status, code, message, field, headers }: JwksAdminRefusal): Response {
  return json(status, { error: { code, message, ...(field !== undefined && { field }) } }, headers);
}

function json(status: number, value: unknown, headers: Readonly<Record<string, string>>): Response {
  const body = new TextEncoder().encode(JSON.stringify(value));
  const contentHeaders = { "content-type": "application/json", "content-length": String(body.byteLength) };
  return new Response(body, { status, headers: { ...NOT_STORED, ...contentHeaders, ...headers } });
}
