import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Interceptor, type StreamResponse, type UnaryResponse } from "@connectrpc/connect";
import { toUnsentError } from "../connect-errors.js";
import { readChallengeErrors } from "./auth-challenges.js";
import { bufferRequest } from "./buffered-request.js";
import { createDpopNonces } from "./dpop-nonces.js";
import type { DpopProofs } from "./dpop-proofs.js";
import { openGuarded } from "./guarded-response.js";
import { parseCallUrl } from "./origin-rule.js";

type CreateProof = DpopProofs["createProof"];
type Answer = UnaryResponse | StreamResponse;

const BEARER = /^Bearer ([^ ]+)$/;

/**
 * Creates an interceptor that makes each call with a bearer token one with a DPoP token and a proof, and gives another
 * chance to one that was refused for want of a nonce. Calls without a token are left as they are.
 *
 * Spec: RFC 9449 sections 7.1 and 9.
 *
 * @param createProof - Makes the proofs.
 * @param useHttpGet - Whether the transport makes calls without side effects by GET.
 */
export function proveCalls(createProof: CreateProof, useHttpGet: boolean): Interceptor {
  const nonces = createDpopNonces();
  return (next) => async (req) => {
    const accessToken = BEARER.exec(req.header.get("authorization") ?? "")?.[1];
    if (accessToken === undefined) return next(req);
    const { href: url, origin } = targetOf(req.url);
    // Connect turns a call into a GET behind all interceptors: here it is a POST still.
    const isGet =
      useHttpGet && !req.stream && req.method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
    const method = isGet ? "GET" : req.requestMethod;
    const isServerStream = req.stream && req.method.methodKind === "server_streaming";
    const request = isServerStream ? { ...req, message: bufferRequest(req.message) } : req;
    let sentNonce: string | undefined;

    const failed = (error: unknown): void => {
      if (error instanceof ConnectError) nonces.note(origin, error.metadata);
    };
    const send = async (): Promise<Answer> => {
      sentNonce = nonces.get(origin);
      // A copy, as a proof is for one request: whoever makes the call again must not find it.
      const header = new Headers(req.header);
      header.set("authorization", `DPoP ${accessToken}`);
      header.set("dpop", await prove(createProof, { method, url, accessToken, nonce: sentNonce }));
      try {
        const answer = await next({ ...request, header });
        nonces.note(origin, answer.header);
        return answer;
      } catch (error) {
        failed(error);
        throw error;
      }
    };
    const sendAgain = async (error: unknown): Promise<Answer | undefined> => {
      failed(error);
      // With the same nonce the server would say the same.
      return isNonceWanted(error) && nonces.get(origin) !== sentNonce ? send() : undefined;
    };

    if (!req.stream) return sendUnary(send, sendAgain);
    const guard = {
      failed,
      ...(isServerStream && { reopen: sendAgain as (error: unknown) => Promise<StreamResponse> }),
    };
    return openGuarded(send as () => Promise<StreamResponse>, guard);
  };
}

async function sendUnary<R>(send: () => Promise<R>, sendAgain: (error: unknown) => Promise<R | undefined>): Promise<R> {
  try {
    return await send();
  } catch (error) {
    const other = await sendAgain(error);
    if (other === undefined) throw error;
    return other;
  }
}

function targetOf(url: string): URL {
  try {
    return parseCallUrl(url);
  } catch (error) {
    throw toUnsentError(error);
  }
}

async function prove(createProof: CreateProof, request: Parameters<CreateProof>[0]): Promise<string> {
  try {
    return await createProof(request);
  } catch (error) {
    throw toUnsentError(error);
  }
}

/** Tells whether a call was refused, before anything was done, because its proof had no nonce or an old one. */
function isNonceWanted(error: unknown): boolean {
  if (!(error instanceof ConnectError) || error.code !== Code.Unauthenticated) return false;
  return readChallengeErrors(error).includes("use_dpop_nonce");
}
