import type { ConnectRouter } from "@connectrpc/connect";
import { UncoveredService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { createDynamicMethod } from "./dynamic-methods.js";

/** Registers methods that have no policy: those of {@link UNCOVERED}. */
export function uncoveredRoutes(router: ConnectRouter): void {
  router.service(UncoveredService, {});
  router.service(createDynamicMethod().parent, {});
}

/** Their names. */
export const UNCOVERED = ["latchkey.testing.v1.UncoveredService/Forgotten", "dynamic.Service/Call"] as const;
