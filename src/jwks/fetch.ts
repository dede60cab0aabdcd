import { assertJson, type DocumentRequest, fetchDocument, unusableAnswer } from "./fetch-document.js";
import { readJsonBody } from "./read-body.js";
import { toConditions, type Validators } from "./validators.js";

/** One request for a key set. */
export interface JwksRequest extends Omit<DocumentRequest, "subject" | "headers"> {
  /** Longest body, in bytes after decompression. */
  readonly maxBodyBytes: number;
  /** What identifies the set in hand, so that it need not be sent again; undefined without one. */
  readonly validators: Validators | undefined;
}

/** What was answered: JSON that nobody has looked at yet, or that the set in hand is still the one. */
export type JwksResponse =
  | { readonly notModified: false; readonly body: unknown; readonly headers: Headers }
  | { readonly notModified: true; readonly headers: Headers };

const SUBJECT = "key set";
const ACCEPT = "application/jwk-set+json, application/json";

/**
 * Asks once for a key set, as {@link fetchDocument} asks. The byte cap counts the inflated body.
 *
 * Rejects as that does, and with {@link KeysUnavailableError} `ERR_KEYS_INVALID` when the answer is not a JSON document,
 * a redirect that is not followed, or "not modified" without a set in hand.
 *
 * Spec: RFC 9110 sections 13.1.2 and 13.1.3.
 */
export async function fetchJwks(request: JwksRequest, signal: AbortSignal): Promise<JwksResponse> {
  const conditions = toConditions(request.validators);
  const read = async (response: Response, reading: AbortSignal): Promise<JwksResponse> => {
    const { status, headers } = response;
    if (status === 304) {
      if (Object.keys(conditions).length > 0) return { notModified: true, headers };
      throw unusableAnswer(SUBJECT, "was answered with not modified, but nothing was held");
    }
    assertJson(response, SUBJECT);
    return { notModified: false, body: await readJsonBody(response, request.maxBodyBytes, reading), headers };
  };
  return fetchDocument({ ...request, subject: SUBJECT, headers: { accept: ACCEPT, ...conditions } }, read, signal);
}
