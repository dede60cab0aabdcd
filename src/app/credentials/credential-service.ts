import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { type Credential, CredentialSchema, CredentialService } from "#gen/latchkey/credentials/v1/credentials_pb.js";
import { toConnectError } from "../../connect-errors.js";
import { AccessDeniedError } from "../../errors.js";
import { requirePrincipal } from "../../server/principal-key.js";
import { DatabaseUnavailableError } from "../database/database-error.js";
import { type CredentialErrorCode, CredentialRefusedError } from "./credential-error.js";
import type { CredentialRecord, CredentialRecords } from "./credential-records.js";
import { parsePublicKeyPem } from "./public-key-pem.js";

const CODES: Readonly<Record<CredentialErrorCode, Code>> = {
  invalid_key: Code.InvalidArgument,
  other_org: Code.AlreadyExists,
  revoked: Code.FailedPrecondition,
  not_found: Code.NotFound,
};

/** Adds CredentialService to a router. Who may call is said in its `.proto` and enforced before these methods run. */
export function registerCredentialService(router: ConnectRouter, records: CredentialRecords): void {
  router.service(CredentialService, {
    importCredential: (request, context) =>
      answer(async () => {
        const key = await parsePublicKeyPem(request.publicKeyPem);
        const { name, principalId, roles } = request;
        const orgId = requireOrg(context);
        const principal = principalId === "" ? key.fingerprint : principalId;
        const record = await records.importKey({ orgId, key, name, principalId: principal, roles });
        return { credential: toMessage(record) };
      }),
    listCredentials: (_request, context) =>
      answer(async () => ({ credentials: (await records.list(requireOrg(context))).map(toMessage) })),
    revokeCredential: (request, context) =>
      answer(async () => ({ credential: toMessage(await records.revoke(requireOrg(context), request.fingerprint)) })),
  });
}

/** The organisation of the caller: the token's, never the request's. */
function requireOrg(context: HandlerContext): string {
  const { org } = requirePrincipal(context);
  if (org === undefined) throw new AccessDeniedError("ERR_ORG_MISSING", "the token names no organisation");
  return org;
}

async function answer<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CredentialRefusedError) {
      throw new ConnectError(error.message, CODES[error.code], undefined, undefined, error);
    }
    if (error instanceof DatabaseUnavailableError) {
      throw new ConnectError("temporarily unavailable", Code.Unavailable, undefined, undefined, error);
    }
    throw toConnectError(error);
  }
}

function toMessage(record: CredentialRecord): Credential {
  const { fingerprint, name, orgId, principalId, roles, createdAt, updatedAt, revokedAt } = record;
  return create(CredentialSchema, {
    fingerprint,
    name,
    orgId,
    principalId,
    roles: [...roles],
    createdAt: timestampFromDate(createdAt),
    updatedAt: timestampFromDate(updatedAt),
    ...(revokedAt === null ? {} : { revokedAt: timestampFromDate(revokedAt) }),
  });
}
