import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { describe, expect, it } from "vitest";
import { createPublicLookup } from "../../src/jwks/node-public-lookup.js";

const PUBLIC = { address: "1.1.1.1", family: 4 };
const PUBLIC_6 = { address: "2606:4700:4700::1111", family: 6 };
const PRIVATE = { address: "10.0.0.1", family: 4 };

type Answer = readonly LookupAddress[] | string | Error;

/** A resolver that gives the answers one after the other, all answers of a list in one call. */
function resolver(...answers: readonly (readonly Answer[] | Answer)[]): LookupFunction & { readonly calls: unknown[] } {
  const calls: unknown[] = [];
  const lookup: LookupFunction = (hostname, options, callback) => {
    const answer = answers[calls.push([hostname, options]) - 1] ?? [];
    const each = Array.isArray(answer) && answer.some((part) => Array.isArray(part)) ? answer : [answer];
    for (const part of each as readonly Answer[]) {
      if (part instanceof Error) callback(part, []);
      else callback(null, part as string | LookupAddress[], 4);
    }
  };
  return Object.assign(lookup, { calls });
}

function ask(lookup: LookupFunction, all: boolean): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    lookup("idp.example", { all, family: 0 }, (error, ...found) => (error ? reject(error) : resolve(found)));
  });
}

describe("createPublicLookup()", () => {
  it("gives what the resolver gave, in the form that was asked for", async () => {
    const source = resolver([PUBLIC, PUBLIC_6], [PUBLIC_6, PUBLIC], "1.1.1.1");
    const lookup = createPublicLookup(source);
    expect(await ask(lookup, true)).toEqual([[PUBLIC, PUBLIC_6]]);
    expect(await ask(lookup, false)).toEqual([PUBLIC_6.address, 6]);
    expect(await ask(lookup, true)).toEqual([[PUBLIC]]);
    expect(source.calls).toEqual(Array.from({ length: 3 }, () => ["idp.example", { all: true, family: 0 }]));
  });

  it("does not believe a family that is not the address's", async () => {
    expect(await ask(createPublicLookup(resolver([{ ...PUBLIC_6, family: 4 }])), true)).toEqual([[PUBLIC_6]]);
  });

  it.each([
    ["a private address", [PRIVATE]],
    ["a public address and a private one", [PUBLIC, PRIVATE]],
    ["a private address as text", "127.0.0.1"],
    ["a private address as IPv6", [{ address: "::ffff:10.0.0.1", family: 6 }]],
    ["no address", []],
    ["what is no address", "0x7f.1"],
  ])("H10: refuses an answer with %s", async (_name, answer) => {
    for (const all of [true, false]) {
      await expect(ask(createPublicLookup(resolver(answer)), all)).rejects.toThrow("to public addresses alone");
    }
  });

  it("H10: gives a name that resolves to another address the next time no use of it", async () => {
    const source = resolver([PUBLIC], [PRIVATE]);
    const lookup = createPublicLookup(source);
    expect(await ask(lookup, true)).toEqual([[PUBLIC]]);
    expect(source.calls).toHaveLength(1);
    await expect(ask(lookup, true)).rejects.toThrow("to public addresses alone");
  });

  it("H10: does not hear a resolver that answers once more", async () => {
    const heard: unknown[] = [];
    const lookup = createPublicLookup(resolver([[PUBLIC], [PUBLIC_6], new Error("late")]));
    lookup("idp.example", { all: true }, (error, found) => heard.push(error ?? found));
    expect(heard).toEqual([[PUBLIC]]);
  });

  it("passes on the failure of the resolver", async () => {
    await expect(ask(createPublicLookup(resolver(new Error("ENOTFOUND"))), true)).rejects.toThrow("ENOTFOUND");
  });
});
