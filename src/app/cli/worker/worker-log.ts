/** What a worker writes about its doings; a pino logger fits. */
export interface WorkerLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}
