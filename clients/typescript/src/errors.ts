/** What a call may throw. */

import type { Batch } from "./models.js";

/** What the server answered instead of success (RFC 9457). */
export interface Problem {
  /** The HTTP status. */
  readonly status: number;
  /** The stable name of what happened, such as `insufficient_funds`. */
  readonly code: string;
  /** A sentence for people. */
  readonly detail: string;
  /** Everything else in the body, such as the figures of a refusal. */
  readonly members: Readonly<Record<string, unknown>>;
}

/** The root of every error of this library. */
export class LastroError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** The server decided against the call. The same call again gets the same answer. */
export class Refused extends LastroError {
  constructor(readonly problem: Problem) {
    super(`${problem.code}: ${problem.detail}`);
  }

  /** The stable name of the refusal. */
  get code(): string {
    return this.problem.code;
  }
}

/** What the call names does not exist (404). */
export class NotFound extends Refused {}

/** The id was used before with other content, or a state was expected that is not so (409). */
export class Conflict extends Refused {}

/** The key is missing or unknown (401), or it may not do this (403). */
export class Denied extends Refused {}

/** An atomic batch was refused: nothing of it was applied. */
export class BatchRefused extends Refused {
  constructor(
    problem: Problem,
    /** Which member was the reason, counted from 0. */
    readonly index: number | undefined,
    /** The outcome of every member. */
    readonly batch: Batch,
  ) {
    super(problem);
  }
}

/** There was no decision in the time that the retries have. */
export class Unavailable extends LastroError {
  constructor(
    message: string,
    /** The last answer, if one came. */
    readonly problem: Problem | undefined,
    /** True: no attempt changed anything. False: one may have; ask again with the same id. */
    readonly nothingDone: boolean,
  ) {
    super(message);
  }
}
