/** The client. */

import { Attempts, type Call, RETRY, type Retry } from "./attempts.js";
import * as commands from "./commands.js";
import { newId } from "./ids.js";
import * as models from "./models.js";

/** How long a page of events that are followed waits for its first one, in seconds. */
const WAIT_S = 20;

/** How to reach the server. */
export interface Options {
  /** The secret that `lastro key create` printed. */
  readonly key?: string;
  /** Bounds each attempt; `retry` bounds all of them. */
  readonly timeoutMs?: number;
  readonly retry?: Partial<Retry>;
  /** Takes the place of the platform's `fetch`, for certificates or a Unix socket. */
  readonly fetch?: typeof fetch;
}

/**
 * A ledger behind HTTP.
 *
 * A call that may be sent again is: the server knows an id that it has seen, so nothing happens
 * twice. Give the id where your process may end before it has the answer: the same call with the
 * same id, later, happens once. Without one a new id is drawn, which holds for the call's retries.
 */
export class Lastro {
  private readonly base: string;
  private readonly headers: Record<string, string>;
  private readonly timeoutMs: number;
  private readonly retry: Retry;
  private readonly fetch: typeof fetch;

  /** `url` is the server's, such as `http://127.0.0.1:9999`. */
  constructor(url: string, options: Options = {}) {
    this.base = url.replace(/\/+$/, "");
    this.headers = options.key === undefined ? {} : { authorization: `Bearer ${options.key}` };
    this.timeoutMs = options.timeoutMs ?? 10_000;
    this.retry = { ...RETRY, ...options.retry };
    this.fetch = options.fetch ?? fetch;
  }

  /** Opens an account. The same account again, with the same content, is answered the same. */
  openAccount(id: string, currency: string, creditLimit = 0): Promise<models.Account> {
    const body = { id, currency, credit_limit: creditLimit };
    return this.send(write("/v1/accounts", models.account, body));
  }

  /** An account and its totals. Throws `NotFound`. */
  account(id: string): Promise<models.Account> {
    return this.send(read(path`/v1/accounts/${id}`, models.account));
  }

  /** One page of the accounts, in the byte order of their ids. It may be short, or empty, and still
   * have a `next_cursor`; give the same filters with it. */
  accountsPage(
    options: models.AccountsAsked & { limit?: number; cursor?: string } = {},
  ): Promise<models.AccountsPage> {
    return this.send(read("/v1/accounts" + query({ ...options }), models.accountsPage));
  }

  /** Every account, in the byte order of their ids; `page` of them a request. */
  async *accounts(
    page = 100,
    asked: models.AccountsAsked = {},
  ): AsyncGenerator<models.Account, void, undefined> {
    let cursor: string | null = null;
    do {
      const found: models.AccountsPage = await this.accountsPage({
        ...asked,
        limit: page,
        ...(cursor !== null && { cursor }),
      });
      yield* found.accounts;
      cursor = found.next_cursor;
    } while (cursor !== null);
  }

  /** Sets an account's credit limit. Throws `Conflict` where it is not the expected one. It has no
   * id, so it is sent again only after an attempt that changed nothing. */
  changeLimit(
    id: string,
    creditLimit: number,
    options: { expectedCreditLimit?: number } & commands.By = {},
  ): Promise<models.Account> {
    const body = {
      credit_limit: creditLimit,
      expected_credit_limit: options.expectedCreditLimit,
      ...commands.by(options),
    };
    return this.send(change(path`/v1/accounts/${id}`, body));
  }

  /** Stops new debits or credits of an account, or both, or lets them happen again. Throws `Conflict` where
   * something else is frozen than expected. It has no id, so it is sent again only after an attempt that changed
   * nothing. */
  changeFreeze(
    id: string,
    frozen: commands.Frozen,
    options: { expectedFrozen?: commands.Frozen } & commands.By = {},
  ): Promise<models.Account> {
    const body = { frozen, expected_frozen: options.expectedFrozen, ...commands.by(options) };
    return this.send(change(path`/v1/accounts/${id}`, body));
  }

  /** Closes an account for new debits and credits; it must be empty. It has no id, so it is sent
   * again only after an attempt that changed nothing. */
  closeAccount(
    id: string,
    options: { expectedEntryCount?: number } & commands.By = {},
  ): Promise<models.Account> {
    const body = {
      closed: true,
      expected_entry_count: options.expectedEntryCount,
      ...commands.by(options),
    };
    return this.send(change(path`/v1/accounts/${id}`, body));
  }

  /** One page of the credit limits that an account was given, newest first unless another order is asked
   * for. Give the same options with the cursor. */
  limitsPage(
    id: string,
    options: models.StatementWindow & { limit?: number; cursor?: string } = {},
  ): Promise<models.LimitsPage> {
    const found = path`/v1/accounts/${id}/limits` + query({ ...options });
    return this.send(read(found, models.limitsPage));
  }

  /** Every credit limit that an account was given, newest first unless another order is asked for; `page`
   * of them a request. */
  async *limits(
    id: string,
    page = 100,
    window: models.StatementWindow = {},
  ): AsyncGenerator<models.LimitChange, void, undefined> {
    let cursor: string | null = null;
    do {
      const found: models.LimitsPage = await this.limitsPage(id, {
        ...window,
        limit: page,
        ...(cursor !== null && { cursor }),
      });
      yield* found.limits;
      cursor = found.next_cursor;
    } while (cursor !== null);
  }

  /** The balance as it was at a time (RFC 3339, with its nanoseconds), or right after a transfer. */
  balance(id: string, when: { at: string } | { after: string }): Promise<models.Balance> {
    const found = path`/v1/accounts/${id}/balance` + query({ ...when });
    return this.send(read(found, models.balance));
  }

  /** One page of a trial balance: what every account held at one moment. The last page has the sums by
   * currency. Give the same options with the cursor. */
  balancesPage(
    options: models.BalancesAsked & { limit?: number; cursor?: string } = {},
  ): Promise<models.BalancesPage> {
    return this.send(read("/v1/balances" + query({ ...options }), models.balancesPage));
  }

  /** What every account held at one moment; `page` of them a request. */
  async *balances(
    page = 100,
    asked: models.BalancesAsked = {},
  ): AsyncGenerator<models.AccountBalance, void, undefined> {
    let cursor: string | null = null;
    do {
      const found: models.BalancesPage = await this.balancesPage({
        ...asked,
        limit: page,
        ...(cursor !== null && { cursor }),
      });
      yield* found.balances;
      cursor = found.next_cursor;
    } while (cursor !== null);
  }

  /** One page of an account's entries, newest first. */
  statementPage(
    id: string,
    options: models.StatementWindow & { limit?: number; cursor?: string } = {},
  ): Promise<models.StatementPage> {
    const found = path`/v1/accounts/${id}/statement` + query({ ...options });
    return this.send(read(found, models.statementPage));
  }

  /** Every entry of an account, newest first unless another order is asked for; `page` of them a
   * request. */
  async *statement(
    id: string,
    page = 100,
    window: models.StatementWindow = {},
  ): AsyncGenerator<models.Entry, void, undefined> {
    let cursor: string | null = null;
    do {
      const found: models.StatementPage = await this.statementPage(id, {
        ...window,
        limit: page,
        ...(cursor !== null && { cursor }),
      });
      yield* found.entries;
      cursor = found.next_cursor;
    } while (cursor !== null);
  }

  /** Moves an amount, in minor units. With `timeoutS` the money is only reserved (0: for good),
   * until it is posted or voided, or until that time has passed. */
  transfer(
    debitAccountId: string,
    creditAccountId: string,
    amount: number,
    description: string,
    options: commands.TransferOptions = {},
  ): Promise<models.Transfer> {
    const body = commands.transferBody(
      debitAccountId,
      creditAccountId,
      amount,
      description,
      options,
    );
    return this.send(write("/v1/transfers", models.transfer, body));
  }

  /** Moves shares to up to 100 accounts: all of them, or none, and then `BatchRefused` is thrown. It is an
   * atomic batch under `id`, with a transfer for each share. */
  splitTransfer(
    debitAccountId: string,
    splits: readonly commands.Split[],
    description: string,
    options: commands.TransferOptions = {},
  ): Promise<models.Batch> {
    const body = commands.splitTransferBody(debitAccountId, splits, description, options);
    return this.send(write("/v1/transfers", models.batch, body));
  }

  /** Posts an amount of a pending transfer, and moves shares of it on from its credit account, which keeps
   * the rest: all of this, or nothing, and then `BatchRefused` is thrown. It is an atomic batch under
   * `id`: the post, then a transfer for each share. */
  splitPost(
    pendingId: string,
    amount: number,
    splits: readonly commands.Split[],
    options: Omit<commands.PostOptions, "amount"> = {},
  ): Promise<models.Batch> {
    const body = { ...commands.postBody({ ...options, amount }), splits };
    return this.send(write(path`/v1/transfers/${pendingId}/post`, models.batch, body));
  }

  /** A transfer. Throws `NotFound`. */
  transferById(id: string): Promise<models.Transfer> {
    return this.send(read(path`/v1/transfers/${id}`, models.transfer));
  }

  /** One page of the transfers of an account, of a reference or of both, newest first unless another
   * order is asked for. It may be short, or empty, and still have a `next_cursor`; give the same
   * filters with it. */
  transfersPage(
    options: models.TransfersAsked & { limit?: number; cursor?: string },
  ): Promise<models.TransfersPage> {
    return this.send(read("/v1/transfers" + query({ ...options }), models.transfersPage));
  }

  /** Every transfer of an account, of a reference or of both, newest first unless another order is
   * asked for; `page` of them a request. */
  async *transfers(
    asked: models.TransfersAsked,
    page = 100,
  ): AsyncGenerator<models.Transfer, void, undefined> {
    let cursor: string | null = null;
    do {
      const found: models.TransfersPage = await this.transfersPage({
        ...asked,
        limit: page,
        ...(cursor !== null && { cursor }),
      });
      yield* found.transfers;
      cursor = found.next_cursor;
    } while (cursor !== null);
  }

  /** Posts a pending transfer: without an amount all that is still reserved. The rest is released, or
   * with `final: false` stays reserved for further posts. */
  post(pendingId: string, options: commands.PostOptions = {}): Promise<models.Transfer> {
    const body = commands.postBody(options);
    return this.send(write(path`/v1/transfers/${pendingId}/post`, models.transfer, body));
  }

  /** Releases what a pending transfer reserves. */
  void(pendingId: string, options: { id?: string } = {}): Promise<models.Transfer> {
    const body = { id: options.id ?? newId() };
    return this.send(write(path`/v1/transfers/${pendingId}/void`, models.transfer, body));
  }

  /** Moves back what a transfer has moved: without an amount all that was not moved back before. */
  reverse(
    transferId: string,
    description: string,
    options: commands.ReverseOptions = {},
  ): Promise<models.Transfer> {
    const body = commands.reverseBody(description, options);
    return this.send(write(path`/v1/transfers/${transferId}/reverse`, models.transfer, body));
  }

  /** Gives up to 8,190 commands at once. Each stands alone, and its outcome tells what became of it.
   * With `atomic` all are applied, or none: then `BatchRefused` is thrown. Only an atomic batch has
   * an id. */
  batch(
    members: readonly commands.Command[],
    options: { atomic?: boolean; id?: string } = {},
  ): Promise<models.Batch> {
    const atomic = options.atomic ?? false;
    if (options.id !== undefined && !atomic) {
      throw new TypeError("only an atomic batch has an id: give `atomic: true`, or no id");
    }
    const id = atomic ? (options.id ?? newId()) : undefined;
    const call = write("/v1/batches", models.batch, { atomic, id, commands: members });
    const repeatable = atomic || members.every(commands.isRepeatable);
    return this.send({ ...call, repeatable });
  }

  /** What was decided of an atomic batch. Throws `NotFound`. */
  batchById(id: string): Promise<models.Batch> {
    return this.send(read(path`/v1/batches/${id}`, (body) => models.batch(body, false)));
  }

  /** Gives a transfer that is accepted now and applied later, even if the ledger is down. */
  operate(
    debitAccountId: string,
    creditAccountId: string,
    amount: number,
    description: string,
    options: commands.TransferOptions = {},
  ): Promise<models.Operation> {
    const body = commands.transferBody(
      debitAccountId,
      creditAccountId,
      amount,
      description,
      options,
    );
    return this.send(write("/v1/operations", models.operation, body));
  }

  /** What became of an operation. Throws `NotFound`. */
  operation(id: string): Promise<models.Operation> {
    return this.send(read(path`/v1/operations/${id}`, models.operation));
  }

  /** Accepts a payment, which is paid exactly once through a processor, or refused later. Throws `Refused`
   * where the account that pays cannot afford it. */
  pay(
    amount: number,
    currency: string,
    description: string,
    options: commands.PaymentOptions = {},
  ): Promise<models.Payment> {
    const body = {
      id: options.id ?? newId(),
      amount,
      currency,
      description,
      account_id: options.accountId,
      reference: options.reference,
      metadata: options.metadata,
    };
    return this.send(write("/v1/payments", models.payment, body));
  }

  /** A payment. Throws `NotFound`. */
  payment(id: string): Promise<models.Payment> {
    return this.send(read(path`/v1/payments/${id}`, models.payment));
  }

  /** One page of the payments by when they were accepted: the newest first, but of those that are
   * `accepted` or `sent` the oldest first, unless `order` is given. It may be short, or empty, and
   * still have a `next_cursor`; give the same filters with it. `limit` is 100 at most. */
  paymentsPage(
    options: models.PaymentsAsked & { limit?: number; cursor?: string } = {},
  ): Promise<models.PaymentsPage> {
    const { olderThanS, ...rest } = options;
    const asked = { ...rest, older_than_s: olderThanS };
    return this.send(read("/v1/payments" + query(asked), models.paymentsPage));
  }

  /** Every payment, by when they were accepted; `page` of them a request, 100 at most. */
  async *payments(
    asked: models.PaymentsAsked = {},
    page = 100,
  ): AsyncGenerator<models.Payment, void, undefined> {
    let cursor: string | null = null;
    do {
      const found: models.PaymentsPage = await this.paymentsPage({
        ...asked,
        limit: page,
        ...(cursor !== null && { cursor }),
      });
      yield* found.payments;
      cursor = found.next_cursor;
    } while (cursor !== null);
  }

  /** Decides about a payment that the server cannot end itself, as an operator. Throws `Refused` where
   * the payment has another attempt by now. It has no id, so it is sent again only after an attempt
   * that changed nothing. */
  resolve(paymentId: string, decision: commands.Resolution): Promise<models.Payment> {
    const { requestedAt, ...rest } = decision;
    const body = { ...rest, requested_at: requestedAt };
    const call = write(path`/v1/payments/${paymentId}/resolve`, models.payment, body);
    return this.send({ ...call, repeatable: false });
  }

  /** One page of what the ledger decided, in its order. With `waitS` (at most 30) a page that would be empty waits for
   * its first event. It may be empty although there are more events: go on with its `next`. */
  eventsPage(
    options: models.EventsAsked & { limit?: number; waitS?: number } = {},
  ): Promise<models.EventsPage> {
    const { types, waitS, ...rest } = options;
    const asked = { ...rest, types: types?.join(","), wait_s: waitS };
    const call = read("/v1/events" + query(asked), models.eventsPage);
    return this.send({ ...call, waitMs: (waitS ?? 0) * 1_000 });
  }

  /** Everything that the ledger decides, from `after` on and without an end: waits for the next event. Keep an event's
   * `position` after its work is done, and begin with it again as `after`: then every event is seen at least once,
   * whatever is killed when. */
  async *events(
    asked: models.EventsAsked = {},
  ): AsyncGenerator<models.Event, never, undefined> {
    let from = asked;
    for (;;) {
      const found: models.EventsPage = await this.eventsPage({ ...from, waitS: WAIT_S });
      yield* found.events;
      from = { ...asked, after: found.next };
    }
  }

  /** The endpoints of webhooks, in the order of their names. */
  webhooks(): Promise<readonly models.Endpoint[]> {
    return this.send(read("/v1/webhooks", (body) => body["endpoints"] as models.Endpoint[]));
  }

  /** The deliveries of an endpoint, those of the newest events first. Throws `NotFound`. */
  deliveries(
    name: string,
    options: { state?: models.Delivery["state"]; limit?: number } = {},
  ): Promise<readonly models.Delivery[]> {
    const found = path`/v1/webhooks/${name}/deliveries` + query({ ...options });
    return this.send(read(found, (body) => body["deliveries"] as models.Delivery[]));
  }

  /** Lets an endpoint begin again behind a position: an event's, or `beginning`. It has no id, so it is sent again only
   * after an attempt that changed nothing. */
  replayWebhook(name: string, after: string): Promise<models.Endpoint> {
    const call = write(path`/v1/webhooks/${name}/replay`, models.endpoint, { after });
    return this.send({ ...call, repeatable: false });
  }

  /** Sends an endpoint's dead letters again. */
  retryWebhook(name: string): Promise<models.Endpoint> {
    return this.send(steer(path`/v1/webhooks/${name}/retry`));
  }

  /** Lets an endpoint send again, at once. */
  enableWebhook(name: string): Promise<models.Endpoint> {
    return this.send(steer(path`/v1/webhooks/${name}/enable`));
  }

  /** Lets an endpoint send nothing more, also after a restart of the server. */
  disableWebhook(name: string): Promise<models.Endpoint> {
    return this.send(steer(path`/v1/webhooks/${name}/disable`));
  }

  private async send<T>(call: Call<T>): Promise<T> {
    const attempts = new Attempts(call, this.retry);
    for (;;) {
      const found = await this.attempt(call, attempts);
      if ("result" in found) return found.result;
      await new Promise((resolve) => setTimeout(resolve, found.pauseMs));
    }
  }

  private async attempt<T>(
    call: Call<T>,
    attempts: Attempts<T>,
  ): Promise<{ result: T } | { pauseMs: number }> {
    const given = new AbortController();
    const timeMs = this.timeoutMs + (call.waitMs ?? 0);
    const timer = setTimeout(
      () => given.abort(new Error(`no answer within ${timeMs} ms`)),
      timeMs,
    );
    const init: RequestInit = {
      method: call.method,
      headers: { ...this.headers, ...(call.body && { "content-type": "application/json" }) },
      redirect: "error",
      signal: given.signal,
      ...(call.body && { body: JSON.stringify(call.body) }),
    };
    let status, headers, text;
    try {
      const answer = await this.fetch(this.base + call.path, init);
      ({ status, headers } = answer);
      text = await answer.text();
    } catch (error) {
      return { pauseMs: attempts.failed(error) };
    } finally {
      clearTimeout(timer);
    }
    return attempts.answered(status, headers, text);
  }
}

function read<T>(found: string, reader: Call<T>["read"]): Call<T> {
  return { method: "GET", path: found, read: reader, repeatable: true };
}

function write<T>(
  found: string,
  reader: Call<T>["read"],
  body: Record<string, unknown>,
): Call<T> {
  return { method: "POST", path: found, read: reader, body, repeatable: true };
}

/** What is the same however often it is done. */
function steer(found: string): Call<models.Endpoint> {
  return { method: "POST", path: found, read: models.endpoint, repeatable: true };
}

function change(found: string, body: Record<string, unknown>): Call<models.Account> {
  return { method: "PATCH", path: found, read: models.account, body, repeatable: false };
}

/** A path whose values are escaped. */
function path(texts: TemplateStringsArray, ...values: string[]): string {
  const escaped = values.map(encodeURIComponent);
  return texts.reduce((whole, text, index) => whole + escaped[index - 1] + text);
}

function query(values: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text === "" ? "" : `?${text}`;
}
