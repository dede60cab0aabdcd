import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { JobService } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { IssueRequest, TokenIssuer } from "../../../issuer/token-issuer.js";

/** Creates a client that has a new token issued for every call, so that each call meets the key that signs then. */
export function createIssuedClient(
  server: string,
  tokens: TokenIssuer,
  claims: IssueRequest,
): Client<typeof JobService> {
  const issueEach: Interceptor = (next) => async (request) => {
    request.header.set("authorization", `Bearer ${(await tokens.issue(claims)).value}`);
    return next(request);
  };
  return createClient(
    JobService,
    createConnectTransport({ baseUrl: server, httpVersion: "1.1", interceptors: [issueEach] }),
  );
}
