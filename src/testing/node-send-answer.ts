import type { ServerResponse } from "node:http";
import type { ScriptedAnswer } from "./answer-script.js";
import type { WireAnswer } from "./issuer-answer.js";

/** Sends an answer, as fast as it is taken, until it is sent or the client has gone. */
export async function sendAnswer(
  response: ServerResponse,
  { status, headers, chunks, resetAt }: WireAnswer,
  hold: ScriptedAnswer["hold"],
): Promise<void> {
  const pauseAt = async (place: "headers" | "body"): Promise<void> => {
    if (hold?.at !== place) return;
    hold.reach();
    await hold.released;
  };
  const closed = new Promise((resolve) => response.once("close", resolve));
  await pauseAt("headers");
  if (resetAt === "headers") {
    response.socket?.resetAndDestroy();
    return;
  }
  response.writeHead(status, headers);
  response.flushHeaders();
  let isMiddle = false;
  for (const chunk of chunks) {
    if (isMiddle) await pauseAt("body");
    if (isMiddle && resetAt === "body") {
      // Not with a reset: the client would drop what it has not read yet.
      response.destroy();
      return;
    }
    await Promise.race([new Promise((resolve) => response.write(chunk, resolve)), closed]);
    if (response.destroyed) return;
    isMiddle = true;
  }
  // An answer without a body has no middle: it is held before its end.
  if (!isMiddle) await pauseAt("body");
  response.end();
}
