import type { KeysUnavailableCode } from "../errors.js";

/** Why a request was sent: keys were due, or a "kid" was not known. */
export type RefreshKind = "refresh" | "forced";

/** What happened to the key set of an issuer. Nothing in it was chosen by whoever sends tokens. */
export type JwksEvent =
  /** An answer took the place of the set before, or confirmed it. */
  | {
      readonly type: "refreshed";
      readonly kind: RefreshKind;
      /** Whether keys came, went or changed. */
      readonly changed: boolean;
      /** Published keys that were left out. */
      readonly unusableKeys: number;
    }
  /** No answer that could be used; the keys in hand stay. */
  | {
      readonly type: "refresh_failed";
      readonly kind: RefreshKind;
      readonly code: KeysUnavailableCode;
      /** Failures since the last success, this one included. */
      readonly consecutiveFailures: number;
    }
  /**
   * Someone should look: the issuer published a set without a usable key, which was refused, or a key that is no secret
   * any more, which was left out.
   */
  | { readonly type: "alarm"; readonly reason: "no keys" | "no usable keys" | "private key" | "symmetric key" }
  /** The circuit opened after too many failures, or closed with a success. */
  | { readonly type: "circuit"; readonly open: boolean }
  /** The metadata of an issuer trusted by discovery was read; `changed`: it names another place than before. */
  | { readonly type: "discovered"; readonly changed: boolean }
  /** That metadata could not be read or used, or no keys be had from the place that it names; what is known stays. */
  | {
      readonly type: "discovery_failed";
      readonly code: KeysUnavailableCode;
      /** Failures since the last success, this one included. */
      readonly consecutiveFailures: number;
    };
