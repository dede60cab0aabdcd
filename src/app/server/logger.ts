import { type Logger, pino } from "pino";

/**
 * Creates a logger that writes one JSON object per line. Tokens and keys are never given to it; should a field that
 * usually holds one turn up all the same, its value is left out.
 */
export function createLogger(stream: NodeJS.WritableStream, level: string): Logger {
  const secret = ["authorization", "*.authorization", "token", "*.token", "*.privateJwk", "*.privateKey"];
  return pino({ level, base: null, redact: secret, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}
