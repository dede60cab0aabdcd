import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Job, JobSchema, JobService, JobState, type ListJobsRequest } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { type CliHome, createCliHome } from "../../../support/cli-home.js";
import { type RpcServer, startRpcServer } from "../../../support/rpc-server.js";

describe("latchkey list", () => {
  let server: RpcServer;
  let home: CliHome;
  let asked: ListJobsRequest[];
  /** How many jobs there are, and how many the server gives at once at most. */
  let there: { count: number; largestPage: number };
  let toJob: (index: number) => Job;

  beforeEach(async () => {
    asked = [];
    there = { count: 0, largestPage: 200 };
    toJob = (index) => create(JobSchema, { id: `job-${index}`, command: "true", state: JobState.SCHEDULED });
    server = await startRpcServer("1.1", {
      routes: (router) =>
        router.service(JobService, {
          listJobs(request) {
            asked.push(request);
            const start = Number(request.pageToken);
            const end = Math.min(there.count, start + Math.min(request.pageSize, there.largestPage));
            const jobs = Array.from({ length: end - start }, (_, index) => toJob(start + index));
            return { jobs, nextPageToken: end < there.count ? String(end) : "" };
          },
        }),
    });
    home = await createCliHome(server.url);
  });
  afterEach(() => server[Symbol.asyncDispose]());

  const sizes = (): number[] => asked.map(({ pageSize }) => pageSize);
  const lines = (text: string): number => text.split("\n").length - 1;

  it("says on standard error that there are none, and prints nothing", async () => {
    expect(await home.run("list")).toEqual({ exitCode: 0, stdout: "", stderr: "no jobs\n" });
    expect(await home.run("list", "--json")).toEqual({ exitCode: 0, stdout: "[]\n", stderr: "" });
  });

  it("asks for the jobs of its own organisation, of the queue and the state that were named", async () => {
    await home.run("list");
    await home.run("list", "--queue", "builds", "--state", "failed");
    expect(asked).toMatchObject([
      { orgId: "acme", queue: "", state: JobState.UNSPECIFIED, pageSize: 50, pageToken: "" },
      { orgId: "acme", queue: "builds", state: JobState.FAILED },
    ]);
  });

  it("asks for no more than the limit, page by page, and says when there are more", async () => {
    there = { count: 1_000, largestPage: 200 };
    const { stdout, stderr } = await home.run("list", "--limit", "450");
    expect(sizes()).toEqual([200, 200, 50]);
    expect(lines(stdout)).toBe(451);
    expect(stderr).toBe("there are more: --limit 900, or --all\n");
  });

  it("says nothing of more when the limit is just what there is", async () => {
    there = { count: 450, largestPage: 200 };
    expect((await home.run("list", "--limit", "450")).stderr).toBe("");
  });

  it("goes on when a page ends early, up to the limit", async () => {
    there = { count: 20, largestPage: 4 };
    const { stdout } = await home.run("list", "--limit", "10", "--json");
    expect((JSON.parse(stdout) as { id: string }[]).map(({ id }) => id)).toEqual(
      Array.from({ length: 10 }, (_, index) => `job-${index}`),
    );
    expect(sizes()).toEqual([10, 6, 2]);
  });

  it("gives all of them with --all, whatever the limit", async () => {
    there = { count: 450, largestPage: 200 };
    const { stdout, stderr } = await home.run("list", "--all", "--limit", "1");
    expect([lines(stdout), stderr]).toEqual([451, ""]);
    expect(sizes()).toEqual([200, 200, 200]);
  });

  it("L2: shows what another submitter wrote without letting it drive the terminal", async () => {
    there = { count: 1, largestPage: 1 };
    toJob = () => create(JobSchema, { id: "1", command: "sh\u001b]0;pwned\u0007", args: ["\nID  STATE"] });
    const { stdout } = await home.run("list");
    expect(lines(stdout)).toBe(2);
    expect(stdout).toContain("\\u{1b}]0;pwned\\u{7}");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    expect(stdout).not.toMatch(/[\u001b\u0007]/);
  });

  it("prints no half of a list when a later page is refused", async () => {
    there = { count: 400, largestPage: 200 };
    toJob = (index) => {
      if (index >= 200) throw new ConnectError("too many", Code.ResourceExhausted);
      return create(JobSchema, { id: `job-${index}` });
    };
    const { exitCode, stdout, stderr } = await home.run("list", "--all");
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toBe(`latchkey: the server at ${server.url} refused: too many\n`);
  });
});
