import { describe, expect, it } from "vitest";
import { DatabaseUnavailableError, toDatabaseError } from "../../../src/app/database/database-error.js";

function withCode(code: string): Error {
  return Object.assign(new Error("message of the driver"), { code });
}

describe("toDatabaseError()", () => {
  it("M14: takes a full disk, a lost connection, a trapped engine and a lost race for unavailable, and keeps the cause", () => {
    for (const error of [
      withCode("53100"),
      withCode("53300"),
      withCode("57P01"),
      withCode("57014"),
      withCode("08006"),
      withCode("58030"),
      withCode("XX001"),
      withCode("40P01"),
      withCode("ECONNREFUSED"),
      withCode("EPIPE"),
      withCode("ENOSPC"),
      new WebAssembly.RuntimeError("Aborted()"),
      new Error("Connection terminated unexpectedly"),
      new Error("timeout exceeded when trying to connect"),
      new Error("PGlite is closed"),
    ]) {
      const converted = toDatabaseError(error);
      expect(converted).toBeInstanceOf(DatabaseUnavailableError);
      expect(converted).toMatchObject({ message: "the database is unavailable", cause: error });
    }
  });

  it("leaves every other failure as it is", () => {
    const unavailable = new DatabaseUnavailableError("the database is closed");
    for (const error of [
      withCode("23505"),
      withCode("42P01"),
      withCode("22021"),
      withCode("ERR_INVALID_ARG_TYPE"),
      new TypeError("x is not a function"),
      unavailable,
      "text",
      undefined,
    ]) {
      expect(toDatabaseError(error)).toBe(error);
    }
  });
});
