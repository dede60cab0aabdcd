import { toConnectError } from "../../connect-errors.js";
import { AccessDeniedError } from "../../errors.js";
import { requirePrincipal, type WithContextValues } from "../../server/principal-key.js";
import { isName } from "../names.js";

/** Who calls, as far as jobs are concerned. */
export interface Caller {
  /** Organisation; every statement about jobs is bound to it. */
  readonly org: string;
  /** Identifier that the caller's jobs are recorded under. */
  readonly principalId: string;
  /** Roles; `admin` may cancel the jobs of others. */
  readonly roles: ReadonlySet<string>;
}

// A text column holds no NUL; an issuer that gives out such an identifier is answered, not crashed into.
const PRINCIPAL_ID = /^[^\0]{1,512}$/;

/**
 * Gives the verified caller of a call.
 *
 * @throws ConnectError `unauthenticated` without a verified caller, `permission_denied` for one whose organisation or
 * identifier cannot be that of a job.
 */
export function requireCaller(context: WithContextValues): Caller {
  const { org, principalId, roles } = requirePrincipal(context);
  if (org === undefined || !isName(org) || !PRINCIPAL_ID.test(principalId)) {
    throw toConnectError(new AccessDeniedError("ERR_ORG_MISSING", "the caller has no organisation that may have jobs"));
  }
  return { org, principalId, roles };
}
