/**
 * What the server answers, with the server's own names.
 *
 * Amounts are integers in the currency's minor unit, and exact as numbers. The totals of an account
 * may be larger than a number holds exactly, so they are of type `bigint`. Times are RFC 3339 texts
 * with nanoseconds: a `Date` would cut them, and a cut time no longer finds the transfer it belongs to.
 */

import type { Problem } from "./errors.js";

/** An account and its totals. */
export interface Account {
  readonly id: string;
  readonly currency: string;
  readonly debits_posted: bigint;
  readonly credits_posted: bigint;
  readonly debits_pending: bigint;
  readonly credits_pending: bigint;
  /** `credits_posted - debits_posted`. */
  readonly balance: bigint;
  /** Not there for the system's own accounts, which have no limit. */
  readonly credit_limit?: number | null;
  /** What can still be debited; not there for the system's own accounts. */
  readonly available?: number | null;
  readonly entry_count: number;
  readonly closed: boolean;
  /** Which new debits and credits are stopped: `none`, `debits`, `credits` or `both`. */
  readonly frozen?: string;
  readonly timestamp: string;
}

/** What a transfer left behind on one of its accounts. */
export interface After {
  readonly entry_number: number;
  readonly balance_after: number;
}

/** A transfer, a pending one, the post or void of one, or a reversal. */
export interface Transfer {
  readonly id: string;
  /** `transfer`, `pend`, `post`, `void`, `settle` or `reverse`. */
  readonly kind: string;
  readonly debit_account_id: string;
  readonly credit_account_id: string;
  readonly amount: number;
  readonly description: string;
  readonly timestamp: string;
  readonly pending_id?: string | null;
  /** `false` of a post that kept the rest reserved. */
  readonly final?: boolean | null;
  readonly pending_state?: string | null;
  /** How much of a pending transfer was posted, by all its posts together. */
  readonly posted_amount?: number | null;
  readonly expires_at?: string | null;
  readonly ended_by?: string | null;
  readonly ended_at?: string | null;
  readonly payment_id?: string | null;
  /** Of a reversal: the transfer that it moved back. */
  readonly reverses?: string | null;
  /** How much of it was moved back, where the transfer is read and can be reversed. */
  readonly reversed_amount?: number | null;
  readonly timeout_s?: number | null;
  readonly debit?: After | null;
  readonly credit?: After | null;
  readonly reference?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Whether the server had this id before, and answered as it did then. */
  readonly replayed: boolean;
}

/** Which transfers: those of an account, of a reference or of both. */
export type TransfersAsked = (
  | { readonly account: string; readonly reference?: string }
  | { readonly account?: string; readonly reference: string }
) & {
  readonly kind?: "transfer" | "pend" | "post" | "void" | "settle" | "reverse";
  /** Only pending transfers of which this became. */
  readonly state?: "pending" | "posted" | "voided" | "expired";
  /** At or after this time (RFC 3339). */
  readonly from?: string;
  /** Before this time. */
  readonly to?: string;
  /** The newest first (`desc`), unless `asc` is asked for. */
  readonly order?: "asc" | "desc";
};

/** Some transfers, newest first unless another order was asked for. */
export interface TransfersPage {
  readonly transfers: readonly Transfer[];
  readonly next_cursor: string | null;
}

/** One line of an account's statement. */
export interface Entry {
  /** The account's own 1, 2, 3 … without gaps; not there for the system's own accounts. */
  readonly number?: number;
  readonly transfer_id: string;
  readonly kind: string;
  readonly debit_account_id: string;
  readonly credit_account_id: string;
  readonly amount: number;
  readonly description: string;
  /** Not there for the system's own accounts. */
  readonly balance_after?: number;
  readonly timestamp: string;
  readonly reference?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Of a post: the pending transfer that it is of. */
  readonly pending_id?: string;
  /** Of a settlement: the payment. */
  readonly payment_id?: string;
  /** Of a reversal: the transfer that it reversed. */
  readonly reverses?: string;
}

/** Which entries of a statement. */
export interface StatementWindow {
  /** At or after this time (RFC 3339). */
  readonly from?: string;
  /** Before this time. */
  readonly to?: string;
  /** The newest first (`desc`), unless `asc` is asked for. */
  readonly order?: "asc" | "desc";
}

/** A window of a statement: `opening_balance` and all its entries make its `closing_balance`. Windows
 * of the system's own accounts have neither balances nor a count. */
export interface Window {
  readonly from: string | null;
  readonly to: string | null;
  readonly order: "asc" | "desc";
  readonly opening_balance?: number;
  readonly closing_balance?: number;
  readonly entries_count?: number;
}

/** Some entries of an account, newest first unless another order was asked for. */
export interface StatementPage {
  readonly account: Account;
  /** Where a window or an order was asked for. */
  readonly window?: Window;
  readonly entries: readonly Entry[];
  readonly next_cursor: string | null;
}

/** Which accounts. */
export interface AccountsAsked {
  /** Only accounts whose ids begin so. */
  readonly prefix?: string;
  readonly currency?: string;
  readonly closed?: boolean;
}

/** Some accounts, in the byte order of their ids. */
export interface AccountsPage {
  readonly accounts: readonly Account[];
  readonly next_cursor: string | null;
}

/** An account's balance as it was at a time. */
export interface Balance {
  readonly account_id: string;
  readonly at: string;
  readonly balance: bigint;
  /** The newest entry then; 0 before the first, not there for the system's own accounts. */
  readonly entry_number?: number;
}

/** What an account held at the moment of a trial balance. */
export interface AccountBalance {
  readonly account_id: string;
  readonly currency: string;
  readonly balance: bigint;
  /** The newest entry then; 0 before the first, not there for the system's own accounts. */
  readonly entry_number?: number;
}

/** What the balances of a currency sum to: `balance` is 0 over all of its accounts. */
export interface CurrencyTotal {
  readonly currency: string;
  readonly debit_balances: bigint;
  readonly credit_balances: bigint;
  readonly balance: bigint;
}

/** Some balances of one moment, in the byte order of the accounts' ids. */
export interface BalancesPage {
  readonly at: string;
  readonly balances: readonly AccountBalance[];
  /** On the last page: the sums over all pages, of at most 20 currencies. */
  readonly totals?: readonly CurrencyTotal[];
  readonly next_cursor: string | null;
}

/** A credit limit that an account was given. */
export interface LimitChange {
  readonly credit_limit: number;
  /** Who decided it; absent where nobody said, and where the account was opened with it. */
  readonly who?: string;
  readonly why?: string;
  readonly timestamp: string;
}

/** Some of an account's credit limits, in the order of time. */
export interface LimitsPage {
  readonly limits: readonly LimitChange[];
  readonly next_cursor: string | null;
}

/** Which balances, and of which moment. */
export interface BalancesAsked {
  /** A time (RFC 3339) or a date; the newest moment without it. */
  readonly at?: string;
  /** The time zone in which a date ends; UTC without it. */
  readonly tz?: string;
  readonly prefix?: string;
  readonly currency?: string;
}

/** What became of one member of a batch. */
export interface Outcome {
  /** The HTTP status that the command alone would have got. */
  readonly status: number;
  readonly code: string;
  readonly replayed: boolean;
  readonly transfer?: Transfer;
  readonly account?: Account;
  readonly problem?: Problem;
}

/** The outcomes of a batch, in the order of its commands. */
export interface Batch {
  readonly atomic: boolean;
  readonly id?: string | null;
  readonly outcomes: readonly Outcome[];
  readonly replayed: boolean;
  /** Of a batch that was read by its id and of which nothing was applied: which command failed it. */
  readonly index?: number;
}

/** A transfer that was accepted and is applied later. */
export interface Operation {
  readonly id: string;
  readonly state: "queued" | "applied" | "refused";
  readonly code?: string | null;
  readonly transfer?: Transfer | null;
}

/** A payment to an external processor. */
export interface Payment {
  readonly id: string;
  readonly amount: number;
  readonly currency: string;
  readonly state: "accepted" | "sent" | "settled" | "refused";
  readonly attempt: number;
  readonly accepted_at: string;
  readonly timestamp: string;
  readonly account_id?: string | null;
  readonly processor?: string | null;
  readonly requested_at?: string | null;
  readonly code?: string | null;
  readonly reference?: string | null;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Which payments. */
export interface PaymentsAsked {
  /** Without it payments of all four. */
  readonly state?: Payment["state"];
  /** Only payments that were sent to this processor. */
  readonly processor?: string;
  readonly account?: string;
  readonly reference?: string;
  /** Accepted so many seconds ago or earlier. */
  readonly olderThanS?: number;
  /** Accepted at or after this time (RFC 3339). */
  readonly from?: string;
  /** Accepted before this time. */
  readonly to?: string;
  /** Without it the newest first (`desc`); but the oldest first if `accepted` or `sent` ones are asked for. */
  readonly order?: "asc" | "desc";
}

/** Some payments, by when they were accepted. */
export interface PaymentsPage {
  readonly payments: readonly Payment[];
  readonly next_cursor: string | null;
}

/** Something that the ledger decided. Which members it has depends on its type. */
export interface Event {
  /** Where to go on behind it: opaque, and valid for ever. */
  readonly position: string;
  /** Such as `transfer.posted`; a newer server has more. */
  readonly type: string;
  readonly timestamp: string;
  readonly account?: Account;
  readonly transfer?: Transfer;
  readonly payment?: Payment;
  /** Such as `refused`, `batch`, `resolution` and `payments_count`. */
  readonly [member: string]: unknown;
}

/** Some events, in the order in which they were decided. */
export interface EventsPage {
  readonly events: readonly Event[];
  /** The `after` of the next page, also where this one is empty. */
  readonly next: string;
}

/** Which events. */
export interface EventsAsked {
  /** The position behind which they begin, or `latest`; without it the ledger's first event. */
  readonly after?: string;
  readonly types?: readonly string[];
  /** Only events of this account. */
  readonly account?: string;
}

/** A request to the receiver of a webhook. */
export interface Try {
  readonly at: string;
  /** Not there where no complete answer came. */
  readonly status?: number;
  readonly body?: string;
  readonly failure?: string;
}

/** An endpoint of webhooks as it stands. */
export interface Endpoint {
  readonly name: string;
  readonly url: string;
  readonly state: "active" | "failing" | "disabled" | "stopped" | "standby";
  readonly reason?: string | null;
  readonly position: string | null;
  readonly waiting_count: number;
  readonly requests_count: number;
  readonly dead_letters_count: number;
  readonly delivered_count: number;
  readonly oldest_waiting_at?: string | null;
  readonly lag_ms: number;
  readonly next_try_at?: string | null;
  readonly last_try?: (Try & { readonly webhook_id: string }) | null;
}

/** An event on its way to an endpoint. */
export interface Delivery {
  /** The event's position. */
  readonly webhook_id: string;
  readonly event_type: string;
  readonly event_timestamp: string;
  readonly state: "waiting" | "delivered" | "dead";
  readonly tries_count: number;
  readonly first_try_at?: string | null;
  readonly next_try_at?: string | null;
  readonly last_try?: Try | null;
}

/** A body as it was read from JSON. */
export type Body = Record<string, unknown>;

/** Reads JSON; whole numbers that a number does not hold exactly become a `bigint`. */
export function parse(text: string): unknown {
  const mark = "\u0000bigint:";
  const tokens = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;
  const marked = text.replace(tokens, (token) =>
    token.startsWith('"') || Number.isSafeInteger(Number(token)) ? token : `"\\u0000bigint:${token}"`,
  );
  return JSON.parse(marked, (_, value) =>
    typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  );
}

export function account(body: Body): Account {
  return exact(body, [
    "debits_posted",
    "credits_posted",
    "debits_pending",
    "credits_pending",
    "balance",
  ]);
}

/** The record, with these of its numbers exact however large they are. */
function exact<T>(body: Body, names: readonly string[]): T {
  const numbers = names.map((name) => [name, BigInt(body[name] as number | bigint)]);
  return { ...body, ...Object.fromEntries(numbers) } as T;
}

export function balance(body: Body): Balance {
  return exact(body, ["balance"]);
}

export function balancesPage(body: Body): BalancesPage {
  const balances = (body["balances"] as Body[]).map((found): AccountBalance => exact(found, ["balance"]));
  const sums = ["debit_balances", "credit_balances", "balance"];
  const totals = body["totals"] as Body[] | undefined;
  return {
    at: body["at"] as string,
    balances,
    ...(totals !== undefined && { totals: totals.map((found): CurrencyTotal => exact(found, sums)) }),
    next_cursor: body["next_cursor"] as string | null,
  };
}

export function limitsPage(body: Body): LimitsPage {
  return body as unknown as LimitsPage;
}

export function accountsPage(body: Body): AccountsPage {
  const accounts = (body["accounts"] as Body[]).map(account);
  return { accounts, next_cursor: body["next_cursor"] as string | null };
}

export function transfer(body: Body, replayed: boolean): Transfer {
  return { ...body, replayed } as unknown as Transfer;
}

export function transfersPage(body: Body): TransfersPage {
  const transfers = (body["transfers"] as Body[]).map((found) => transfer(found, false));
  return { transfers, next_cursor: body["next_cursor"] as string | null };
}

export function payment(body: Body): Payment {
  return body as unknown as Payment;
}

export function paymentsPage(body: Body): PaymentsPage {
  const payments = (body["payments"] as Body[]).map(payment);
  return { payments, next_cursor: body["next_cursor"] as string | null };
}

export function eventsPage(body: Body): EventsPage {
  const events = (body["events"] as Body[]).map((event) => ({
    ...event,
    ...(event["account"] ? { account: account(event["account"] as Body) } : {}),
    ...(event["transfer"] ? { transfer: transfer(event["transfer"] as Body, false) } : {}),
  }));
  return { events: events as unknown as Event[], next: body["next"] as string };
}

export function statementPage(body: Body): StatementPage {
  return { ...body, account: account(body["account"] as Body) } as StatementPage;
}

export function outcome(body: Body): Outcome {
  const replayed = body["replayed"] === true;
  const read: Record<string, unknown> = { status: body["status"], code: body["code"], replayed };
  if (body["transfer"]) read["transfer"] = transfer(body["transfer"] as Body, replayed);
  if (body["account"]) read["account"] = account(body["account"] as Body);
  if (body["problem"]) read["problem"] = problem(body["problem"]);
  return read as unknown as Outcome;
}

export function batch(body: Body, replayed: boolean): Batch {
  const outcomes = (body["outcomes"] as Body[]).map(outcome);
  const id = body["id"] as string | null;
  const index = body["index"] as number | undefined;
  return {
    atomic: body["atomic"] === true,
    id,
    outcomes,
    replayed,
    ...(index !== undefined && { index }),
  };
}

export function operation(body: Body): Operation {
  const applied = body["transfer"] as Body | null | undefined;
  return (applied ? { ...body, transfer: transfer(applied, false) } : body) as unknown as Operation;
}

export function endpoint(body: Body): Endpoint {
  return body as unknown as Endpoint;
}

/** Reads a problem body (RFC 9457); `undefined` if it is none. */
export function problem(body: unknown): Problem | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { type: _type, title: _title, status, code, detail, ...members } = body as Body;
  if (typeof status !== "number" || typeof code !== "string" || typeof detail !== "string") {
    return undefined;
  }
  return { status, code, detail, members };
}
