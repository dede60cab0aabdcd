import { describe, expect, it } from "vitest";
import { createLogger } from "../../../src/app/server/logger.js";
import { createTextSink } from "../../support/cli.js";

describe("createLogger()", () => {
  it("writes one JSON object per line, from its level on", () => {
    const sink = createTextSink();
    const log = createLogger(sink, "info");
    log.debug("not this");
    log.info({ job: "a\nb" }, "started");
    expect(sink.text.split("\n")).toHaveLength(2);
    expect(JSON.parse(sink.text)).toMatchObject({ level: 30, job: "a\nb", msg: "started", time: expect.any(String) });
  });

  it("L1: leaves out the values of fields that hold secrets", () => {
    const sink = createTextSink();
    const log = createLogger(sink, "info");
    log.info(
      { token: "secret-1", headers: { authorization: "Bearer secret-2" }, key: { privateKey: "secret-3" } },
      "x",
    );
    expect(sink.text).not.toContain("secret-");
  });
});
