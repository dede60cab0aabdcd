import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { type EnqueueJobRequestSchema, JobSchema } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { type JobSpec, toJobSpec } from "../../../src/app/jobs/job-spec.js";
import { jobRequest } from "../../support/jobs-fixture.js";

type Fields = MessageInitShape<typeof EnqueueJobRequestSchema>;

const specOf = (fields: Fields = {}, maxBytes = 1_000_000): JobSpec => toJobSpec(jobRequest(fields), maxBytes);

describe("toJobSpec()", () => {
  it("keeps what the submitter asks for, and nothing that is the server's to say", () => {
    const asked = {
      command: "make",
      args: ["-j", "2"],
      environment: { PATH: "/bin" },
      workingDirectory: "/srv",
      timeout: { seconds: 5n, nanos: 1 },
      metadata: { team: "build" },
    };
    const { bytes } = specOf({ ...asked, orgId: "globex", queue: "q", idempotencyKey: "k", maxAttempts: 7 });
    const job = fromBinary(JobSchema, bytes);
    expect(job).toMatchObject(asked);
    expect(job).toMatchObject({ id: "", orgId: "", queue: "", state: 0, attempt: 0, submittedBy: "" });
    expect(Buffer.from(bytes).includes("globex")).toBe(false);
  });

  it("M9: is the same for the same job, in whatever order its entries come", () => {
    const one = specOf({ environment: { A: "1", B: "2", a: "3" }, metadata: { x: "1", y: "2", "10": "3" } });
    const other = specOf({ environment: { a: "3", B: "2", A: "1" }, metadata: { "10": "3", y: "2", x: "1" } });
    expect(other).toEqual(one);
  });

  it.each<[string, Fields, Fields]>([
    ["queue", { queue: "a" }, { queue: "b" }],
    ["number of attempts", { maxAttempts: 1 }, { maxAttempts: 2 }],
    ["division of the arguments", { args: ["a b"] }, { args: ["a", "b"] }],
    ["empty argument", { args: ["a"] }, { args: ["a", ""] }],
    ["place of a word", { command: "a", args: ["b"] }, { command: "ab", args: [] }],
    ["environment", { environment: { A: "1" } }, { environment: { A: "2" } }],
    ["kind of an entry", { environment: { A: "1" } }, { metadata: { A: "1" } }],
    ["timeout", {}, { timeout: { seconds: 0n } }],
    ["queue that looks like attempts", { queue: "a", maxAttempts: 11 }, { queue: "a,1", maxAttempts: 1 }],
  ])("M9: tells jobs apart by another %s", (_what, one, other) => {
    expect(specOf(other).hash).not.toEqual(specOf(one).hash);
  });

  it("M12: keeps of an idempotency key its digest alone, of any text but the empty one", () => {
    expect(specOf({ idempotencyKey: "" }).idempotencyHash).toBeUndefined();
    for (const idempotencyKey of ["k", "\0", "ключ", " "]) {
      const { idempotencyHash, bytes, hash } = specOf({ idempotencyKey });
      expect(idempotencyHash).toHaveLength(32);
      expect(bytes).toEqual(specOf().bytes);
      expect(hash).toEqual(specOf().hash);
    }
    expect(specOf({ idempotencyKey: " " })).not.toEqual(specOf({ idempotencyKey: "\0" }));
  });

  it("takes a job of exactly the size allowed", () => {
    const size = specOf().bytes.length;
    expect(specOf({}, size).bytes).toHaveLength(size);
    expect(() => specOf({}, size - 1)).toThrow(
      expect.objectContaining({ code: "ERR_JOB_LIMIT", message: `a job may have at most ${size - 1} bytes` }),
    );
  });

  it.each<[string, Fields]>([
    ["command", { command: "secret\0" }],
    ["args", { args: ["fine", "sec\0ret"] }],
    ["environment", { environment: { NAME: "\0secret" } }],
    ["working_directory", { workingDirectory: "/secret\0" }],
  ])("names the field %s with a NUL, and shows nothing of it", (field, fields) => {
    expect(() => specOf(fields)).toThrow(
      expect.objectContaining({ code: "ERR_JOB_INVALID", message: `${field} must not contain NUL` }),
    );
  });

  it("takes a NUL where no process gets it", () => {
    const { bytes } = specOf({ metadata: { note: "a\0b" } });
    expect(fromBinary(JobSchema, bytes).metadata).toEqual({ note: "a\0b" });
  });
});
