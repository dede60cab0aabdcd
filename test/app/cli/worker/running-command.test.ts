import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { type CommandSpec, type OutputSink, startCommand } from "../../../../src/app/cli/worker/running-command.js";

function setUp(script: string, spec: Partial<CommandSpec> = {}) {
  const output = { stdout: "", stderr: "" };
  const sink: OutputSink = async (stream, data) => {
    output[stream] += Buffer.from(data).toString("utf8");
  };
  const command = startCommand(
    {
      command: process.execPath,
      args: ["-e", script],
      environment: {},
      workingDirectory: undefined,
      timeoutMs: undefined,
      ...spec,
    },
    sink,
  );
  return { command, output };
}

/** Tells whether a process runs; one that has ended and waits to be noticed by its parent does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== "linux" || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

const FOREVER = "console.log('up'); setInterval(() => {}, 1000);";
const STUBBORN = `process.on('SIGTERM', () => {}); ${FOREVER}`;

describe("startCommand()", () => {
  it("gives the exit code after all output, each stream apart", async () => {
    const script = "process.stdout.write('o'.repeat(200000)); console.error('e'); process.exitCode = 3;";
    const { command, output } = setUp(script);
    expect(command.pid).toBeGreaterThan(0);
    expect(await command.outcome).toEqual({ exitCode: 3 });
    expect(output.stdout).toHaveLength(200_000);
    expect(output.stderr).toBe("e\n");
  });

  it("starts the program with the environment it is given and nothing else, and without a shell", async () => {
    const script = "console.log(JSON.stringify([process.env, process.argv.slice(1)]))";
    const { command, output } = setUp("", {
      args: ["-e", script, "--", "$(id)", "a; b"],
      environment: { GREETING: "hello" },
    });
    await command.outcome;
    const [environment, args] = JSON.parse(output.stdout) as [Record<string, string>, string[]];
    expect(environment["GREETING"]).toBe("hello");
    expect(environment["HOME"]).toBeUndefined();
    expect(args).toEqual(["$(id)", "a; b"]);
  });

  it.each([
    [
      "a program that is not there",
      { command: "/nowhere/program" },
      "cannot start: no such program or working directory",
    ],
    [
      "a working directory that is not there",
      { workingDirectory: "/nowhere" },
      "cannot start: no such program or working directory",
    ],
    ["a program that may not be executed", { command: "/etc/passwd" }, "cannot start: permission denied"],
    ["an argument with a NUL", { args: ["a\0b"] }, "cannot start: ERR_INVALID_ARG_VALUE"],
  ])("says why it cannot start %s", async (_name, spec, error) => {
    const { command } = setUp("", spec);
    expect(command.pid).toBeUndefined();
    expect(await command.outcome).toEqual({ error });
  });

  it("says which signal ended a program", async () => {
    const { command } = setUp("process.kill(process.pid, 'SIGUSR1'.replace('USR1', 'KILL'))");
    expect(await command.outcome).toEqual({ error: "ended by signal SIGKILL" });
  });

  it("stops a program that takes too long", async () => {
    const { command } = setUp(FOREVER, { timeoutMs: 50 });
    expect(await command.outcome).toEqual({ error: "timed out after 0.05 s" });
  });

  it("stops a program for the first reason it is given, with what it has started", async () => {
    const script = `
      const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
      console.log(child.pid); setInterval(() => {}, 1000);`;
    const { command, output } = setUp(script);
    await vi.waitFor(() => expect(output.stdout).toContain("\n"));
    const grandchild = Number(output.stdout);
    expect(isAlive(grandchild)).toBe(true);
    command.stop("cancelled");
    command.stop("too late");
    expect(await command.outcome).toEqual({ error: "cancelled" });
    await vi.waitFor(() => expect(isAlive(grandchild)).toBe(false));
  });

  it("kills a program that does not heed SIGTERM", async () => {
    const { command, output } = setUp(STUBBORN);
    await vi.waitFor(() => expect(output.stdout).toContain("up"));
    command.stop("stopped");
    command.kill("killed");
    expect(await command.outcome).toEqual({ error: "stopped" });
  });

  it("does not wait for a child that outlives its program and holds the output open", async () => {
    const script = `
      const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
      console.log(child.pid); child.unref();`;
    const { command, output } = setUp(script);
    expect(await command.outcome).toEqual({ exitCode: 0 });
    const left = Number(output.stdout);
    await vi.waitFor(() => expect(isAlive(left)).toBe(false));
  });

  it.each([
    ["says nothing more", "setInterval(() => {}, 1000)"],
    ["says something now and then", "process.on('SIGPIPE', () => {}); setInterval(() => console.log('tick'), 100)"],
    ["never stops talking", "for (;;) require('node:fs').writeSync(1, 'x'.repeat(10000))"],
  ])("does not wait for a daemon that left its group and holds the output open: one that %s", async (_name, daemon) => {
    const script = `
      const { spawn } = require('node:child_process');
      const daemon = spawn(process.execPath, ['-e', ${JSON.stringify(daemon)}], { stdio: 'inherit', detached: true });
      console.error(daemon.pid); daemon.unref();`;
    const { command, output } = setUp(script);
    try {
      expect(await command.outcome).toEqual({ exitCode: 0 });
    } finally {
      if (isAlive(Number(output.stderr))) process.kill(Number(output.stderr), "SIGKILL");
    }
  });

  it("keeps the exit code of a program that is stopped only after its exit, while its output is being taken", async () => {
    const gate = Promise.withResolvers<void>();
    const spec = { command: "/bin/sh", args: ["-c", "echo done; exit 4"], environment: {} };
    const command = startCommand({ ...spec, workingDirectory: undefined, timeoutMs: undefined }, () => gate.promise);
    await vi.waitFor(() => expect(isAlive(command.pid ?? 0)).toBe(false));
    // The exit is known a moment after the process is gone.
    await vi.waitFor(() => expect(() => process.kill(command.pid ?? 0, 0)).toThrow());
    await new Promise((resolve) => setImmediate(resolve));
    command.stop("timed out");
    gate.resolve();
    expect(await command.outcome).toEqual({ exitCode: 4 });
  });

  it("reads no further while its output is not taken", async () => {
    let taken = 0;
    const gate = Promise.withResolvers<void>();
    const sink: OutputSink = async (_stream, data) => {
      taken += data.length;
      await gate.promise;
    };
    const script = "process.stdout.write('x'.repeat(4_000_000), () => console.error('done'))";
    const { command } = setUp(script);
    await command.outcome;
    const slow = startCommand(
      {
        command: process.execPath,
        args: ["-e", script],
        environment: {},
        workingDirectory: undefined,
        timeoutMs: undefined,
      },
      sink,
    );
    await vi.waitFor(() => expect(taken).toBeGreaterThan(0));
    expect(taken).toBeLessThan(1_000_000);
    gate.resolve();
    expect(await slow.outcome).toEqual({ exitCode: 0 });
    expect(taken).toBe(4_000_005);
  });
});
