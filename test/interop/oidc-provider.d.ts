// The package ships no declarations: what these tests use of it.
declare module "oidc-provider" {
  import type { RequestListener } from "node:http";
  import type { JSONWebKeySet } from "jose";

  export interface Client {
    readonly clientId: string;
    readonly clientAuthSigningAlg?: string;
  }

  export interface ResourceServer {
    readonly scope: string;
    readonly audience: string;
    readonly accessTokenFormat: "jwt" | "opaque";
    readonly accessTokenTTL: number;
    readonly jwt: { readonly sign: { readonly alg: string } };
  }

  /** One store per kind of record. */
  export interface Adapter {
    upsert(id: string, payload: object, expiresInSeconds?: number): Promise<void>;
    find(id: string): Promise<object | undefined>;
    destroy(id: string): Promise<void>;
  }

  export interface Configuration {
    readonly adapter: (kind: string) => Adapter;
    readonly clients: readonly Readonly<Record<string, unknown>>[];
    readonly jwks: JSONWebKeySet;
    readonly scopes: readonly string[];
    readonly ttl: Readonly<Record<string, number>>;
    readonly features: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    readonly extraTokenClaims: () => Promise<Readonly<Record<string, unknown>>>;
  }

  /** An error as the server answers it; `error_detail` stays with the server. */
  export interface OAuthError extends Error {
    readonly error: string;
    readonly error_description?: string;
    readonly error_detail?: string;
  }

  export class Provider {
    constructor(issuer: string, configuration: Configuration);
    callback(): RequestListener;
    on(event: "grant.success", listener: (context: unknown) => void): void;
    on(event: "grant.error", listener: (context: unknown, error: OAuthError) => void): void;
  }

  export namespace errors {
    class InvalidTarget extends Error {
      constructor(description?: string);
    }
  }
}
