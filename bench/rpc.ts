// What authentication adds to a call: the server's CPU time per unary call over HTTP/2, with warm tokens, beside the same
// server without authentication and with jose in an interceptor.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import type { Figure } from "./figure.ts";
import { stayOnOneCore } from "./one-core.ts";
import { middleMean } from "./rounds.ts";

const MODES = ["none", "latchkey", "jose"] as const;
type Mode = (typeof MODES)[number];

/** What the server tells: first its ports and tokens that it accepts, then its CPU time each time it is asked. */
export type RpcServerReport =
  | { readonly ports: Readonly<Record<Mode, number>>; readonly tokens: readonly string[] }
  | { readonly cpu: NodeJS.CpuUsage };

const ROUNDS = 300;
const CALLS_PER_ROUND = 100;
// Until the compiler has nothing more to do: it works on a thread whose time counts, and whose turn nobody knows.
const WARM_UP_CALLS = 20_000;
const AT_ONCE = 16;

/** CPU time of all threads of the server; of the client's nothing counts, so that it may be the slower of the two. */
export async function measureRpc(): Promise<Figure[]> {
  stayOnOneCore();
  const server = fork(fileURLToPath(new URL("rpc-server.ts", import.meta.url)));
  try {
    const rounds = await measureRounds(server);
    const of = (mode: Mode): number => middleMean(rounds.map((round) => round[mode]));
    // Against the same round's: what disturbs the machine for a while disturbs all three.
    const addedBy = (mode: Mode): number => middleMean(rounds.map((round) => round[mode] - round.none));
    const name = "unary call, server CPU,";
    return [
      { name: `${name} no authentication`, value: of("none"), unit: "µs" },
      { name: `${name} latchkey`, value: of("latchkey"), unit: "µs" },
      { name: `${name} jose in an interceptor`, value: of("jose"), unit: "µs" },
      { name: `${name} latchkey adds`, value: addedBy("latchkey"), unit: "µs", max: 12 },
      { name: `${name} jose in an interceptor adds`, value: addedBy("jose"), unit: "µs" },
      {
        name: "unary calls per server core, against jose in an interceptor",
        value: of("jose") / of("latchkey"),
        unit: "x",
        min: 1.8,
      },
    ];
  } finally {
    server.disconnect();
  }
}

/** Microseconds per call, for each of the modes, in rounds in which all have their turn, to and fro. */
async function measureRounds(server: ChildProcess): Promise<Record<Mode, number>[]> {
  const start = await nextReport(server);
  if (!("ports" in start)) throw new Error("the server told something else first");
  const { ports, tokens } = start;
  let turn = 0;
  const headers = tokens.map((token) => ({ authorization: `Bearer ${token}` }));
  // Sent to all three, so that they read the same bytes.
  const nextHeaders = () => headers[turn++ % headers.length] ?? {};
  const clients: Record<Mode, Client<typeof EchoService>> = {
    none: connect(ports.none),
    latchkey: connect(ports.latchkey),
    jose: connect(ports.jose),
  };
  // Far more than there are tokens: from then on all of them are warm.
  for (const mode of MODES) await callMany(clients[mode], WARM_UP_CALLS, nextHeaders);
  const rounds: Record<Mode, number>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const micros = { none: 0, latchkey: 0, jose: 0 };
    const order = round % 2 === 0 ? MODES : MODES.toReversed();
    for (const mode of order) {
      const before = await readCpu(server);
      await callMany(clients[mode], CALLS_PER_ROUND, nextHeaders);
      micros[mode] = ((await readCpu(server)) - before) / CALLS_PER_ROUND;
    }
    rounds.push(micros);
  }
  return rounds;
}

function connect(port: number): Client<typeof EchoService> {
  return createClient(EchoService, createConnectTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: "2" }));
}

/** Makes that many calls, a few of them under way at any time. */
async function callMany(
  client: Client<typeof EchoService>,
  calls: number,
  nextHeaders: () => Record<string, string>,
): Promise<void> {
  let left = calls;
  const callInTurn = async (): Promise<void> => {
    while (left-- > 0) {
      const { text } = await client.unary({ orgId: "acme", text: "hi" }, { headers: nextHeaders() });
      if (text !== "hi") throw new Error("another answer");
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, callInTurn));
}

/** CPU time that the server has used so far, in microseconds. */
async function readCpu(server: ChildProcess): Promise<number> {
  server.send("cpu");
  const report = await nextReport(server);
  if (!("cpu" in report)) throw new Error("the server told something else");
  return report.cpu.user + report.cpu.system;
}

async function nextReport(server: ChildProcess): Promise<RpcServerReport> {
  const [report] = await once(server, "message");
  return report;
}
