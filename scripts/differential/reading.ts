import { hasTwins, isWithinLimits, type JsonObject } from "../fuzz/strict-reader.ts";

/** A token as a lenient reader sees it, and what a strict one would say. */
export interface Reading {
  readonly token: string;
  /** What stands between its dots. */
  readonly parts: readonly string[];
  /** Bytes of header and payload. */
  readonly bytes: readonly Buffer[];
  readonly header: JsonObject;
  readonly payload: JsonObject;
}

/** Reads a token as far as that is possible. */
export function readLeniently(token: string): Reading {
  const parts = token.split(".");
  const bytes = parts.slice(0, 2).map((part) => Buffer.from(part, "base64url"));
  const [header = {}, payload = {}] = bytes.map((part) => parse(part) ?? {});
  return { token, parts, bytes, header, payload };
}

/** Whether header or payload has two members of one name. */
export function hasTwinMembers({ bytes }: Reading): boolean {
  return bytes.some((part) => parse(part) !== undefined && hasTwins(toText(part)));
}

/** Whether header or payload nests too deeply, or holds too much. */
export function isTooMuch({ bytes }: Reading): boolean {
  return bytes.some((part) => !isWithinLimits(toText(part)));
}

/** Whether a text or a number for which the test is true is anywhere in header or payload, names of members included. */
export function contains({ header, payload }: Reading, test: (value: unknown) => boolean): boolean {
  const isIn = (value: unknown): boolean => {
    if (typeof value !== "object" || value === null) return test(value);
    return Object.entries(value).some(([name, member]) => isIn(name) || isIn(member));
  };
  return isIn(header) || isIn(payload);
}

function toText(bytes: Buffer): string {
  return bytes.toString().replace(/^\ufeff/, "");
}

function parse(bytes: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(toText(bytes));
    return typeof value === "object" && value !== null ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}
