/** Decides after each attempt of one call: return, throw, or wait and send it again. */

import {
  BatchRefused,
  Conflict,
  Denied,
  LastroError,
  NotFound,
  type Problem,
  Refused,
  Unavailable,
} from "./errors.js";
import { type Body, batch, parse, problem as readProblem } from "./models.js";

/** How long a call goes on asking, and how it waits in between. */
export interface Retry {
  /** No attempt begins later than this many milliseconds after the first. */
  readonly withinMs: number;
  /** The longest first pause; it doubles with every attempt. */
  readonly firstPauseMs: number;
  /** No pause of our own is longer. One that the server asks for (`Retry-After`) is kept whole. */
  readonly pauseMaxMs: number;
}

export const RETRY: Retry = { withinMs: 30_000, firstPauseMs: 50, pauseMaxMs: 5_000 };

/** The pause after so many attempts (from 1), drawn at random up to its bound, so that callers who
 * failed together do not come back together. */
export function pauseMs(retry: Retry, attempt: number, askedMs: number | undefined): number {
  const bound = Math.min(retry.pauseMaxMs, retry.firstPauseMs * 2 ** Math.min(attempt - 1, 20));
  const own = bound / 2 + (Math.random() * bound) / 2;
  return (askedMs ?? 0) + own;
}

/** One request. */
export interface Call<T> {
  readonly method: "GET" | "POST" | "PATCH";
  readonly path: string;
  /** Reads the body of a success; the flag says whether the answer is a replay. */
  readonly read: (body: Body, replayed: boolean) => T;
  readonly body?: Record<string, unknown>;
  /** Whether it may be sent again after an attempt whose outcome is unknown. */
  readonly repeatable: boolean;
  /** How long the server may hold back its answer. */
  readonly waitMs?: number;
}

/** Statuses after which the same request may succeed later; 502 is a proxy's. */
const PASSING = [408, 429, 502, 503, 504];

export class Attempts<T> {
  private readonly lastStartMs: number;
  private count = 0;
  private nothingDone = true;

  constructor(
    private readonly call: Call<T>,
    private readonly retry: Retry,
  ) {
    this.lastStartMs = performance.now() + retry.withinMs + (call.waitMs ?? 0);
  }

  /** The result, or the pause before the next attempt. Throws what the answer stands for, if it is
   * final. */
  answered(status: number, headers: Headers, text: string): { result: T } | { pauseMs: number } {
    if (status >= 200 && status < 300) {
      const body = tryParse(text);
      if (typeof body !== "object" || body === null || Array.isArray(body)) {
        throw new LastroError(
          `status ${status} with a body that is no JSON object: is this Lastro?`,
        );
      }
      const replayed = headers.get("idempotency-replayed") === "true";
      return { result: this.call.read(body as Body, replayed) };
    }
    // A proxy on the way writes no problem: then the status stands for itself.
    const problem = readProblem(tryParse(text)) ?? {
      status,
      code: `http_${status}`,
      detail: text.slice(0, 200) || "an empty body",
      members: {},
    };
    if (status < 500 && !PASSING.includes(status)) throw refusal(problem);
    const nothingDone = status === 429 || problem.members["nothing_done"] === true;
    const message = `${problem.code}: ${problem.detail}`;
    return { pauseMs: this.again(message, problem, nothingDone, retryAfterMs(headers)) };
  }

  /** The pause after an attempt without an answer. Throws if there is no time for another one. */
  failed(error: unknown): number {
    // `fetch` does not tell whether the request left: it may have.
    const message = error instanceof Error ? `${error.message} ${cause(error)}`.trim() : `${error}`;
    return this.again(message, undefined, isRefusedConnection(error), undefined);
  }

  private again(
    message: string,
    problem: Problem | undefined,
    nothingDone: boolean,
    askedMs: number | undefined,
  ): number {
    this.count += 1;
    this.nothingDone &&= nothingDone || this.call.method === "GET";
    const pause = pauseMs(this.retry, this.count, askedMs);
    const mayRepeat = this.call.repeatable || this.nothingDone;
    const isPassing = problem === undefined || PASSING.includes(problem.status);
    if (!mayRepeat || !isPassing || performance.now() + pause > this.lastStartMs) {
      throw new Unavailable(message, problem, this.nothingDone);
    }
    return pause;
  }
}

function tryParse(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

function cause(error: Error): string {
  return error.cause instanceof Error ? `(${error.cause.message})` : "";
}

/** Whether nobody listened, so that no byte of the request can have arrived. */
function isRefusedConnection(error: unknown): boolean {
  const found = error instanceof Error ? error.cause : undefined;
  return (found as { code?: unknown } | null | undefined)?.code === "ECONNREFUSED";
}

function refusal(problem: Problem): Refused {
  const { outcomes, index } = problem.members;
  if (Array.isArray(outcomes)) {
    const failed = batch({ atomic: true, ...problem.members }, false);
    return new BatchRefused(problem, typeof index === "number" ? index : undefined, failed);
  }
  switch (problem.status) {
    case 401:
    case 403:
      return new Denied(problem);
    case 404:
      return new NotFound(problem);
    case 409:
      return new Conflict(problem);
    default:
      return new Refused(problem);
  }
}

/** Both forms of `Retry-After` (RFC 9110 §10.2.3), in milliseconds from now. */
function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
