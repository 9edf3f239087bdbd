/** Members of a batch. */

import { newId } from "./ids.js";

/** A member of a batch, as the server reads it. */
export type Command = Readonly<Record<string, unknown>> & { readonly kind: string };

/** What a transfer may have beside accounts, amount and description. */
export interface TransferOptions {
  /** The same id twice happens once; without one a new id is drawn. */
  readonly id?: string;
  /** With it the money is only reserved; 0: for good. */
  readonly timeoutS?: number;
  /** Your own text for it, of 1 to 128 characters. */
  readonly reference?: string;
  /** Your own texts by name. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A transfer; a pending one with `timeoutS`. Without an id it gets a new one. */
export function transfer(
  debitAccountId: string,
  creditAccountId: string,
  amount: number,
  description: string,
  options: TransferOptions = {},
): Command {
  return {
    kind: "transfer",
    ...transferBody(debitAccountId, creditAccountId, amount, description, options),
  };
}

/** What `POST /v1/transfers` takes. */
export function transferBody(
  debitAccountId: string,
  creditAccountId: string,
  amount: number,
  description: string,
  options: TransferOptions,
): Record<string, unknown> {
  return {
    id: options.id ?? newId(),
    debit_account_id: debitAccountId,
    credit_account_id: creditAccountId,
    amount,
    description,
    timeout_s: options.timeoutS,
    reference: options.reference,
    metadata: options.metadata,
  };
}

/** One account of a split and its share, as the server reads it. */
export type Split = {
  readonly credit_account_id: string;
  /** In minor units. */
  readonly amount: number;
  /** The text in the statements, where it is another one than that of the whole. */
  readonly description?: string;
};

/** One account of a split and its share; with a text of its own, if it has one. */
export function split(creditAccountId: string, amount: number, description?: string): Split {
  return {
    credit_account_id: creditAccountId,
    amount,
    ...(description !== undefined && { description }),
  };
}

/** What `POST /v1/transfers` takes for several accounts. */
export function splitTransferBody(
  debitAccountId: string,
  splits: readonly Split[],
  description: string,
  options: TransferOptions,
): Record<string, unknown> {
  return {
    id: options.id ?? newId(),
    debit_account_id: debitAccountId,
    splits,
    description,
    timeout_s: options.timeoutS,
    reference: options.reference,
    metadata: options.metadata,
  };
}

/** Who decides something about an account, and why; each is kept with it. */
export interface By {
  /** Without it the server keeps the name of the key. */
  readonly who?: string;
  readonly why?: string;
}

/** What a body has of these. */
export function by(options: By): Record<string, unknown> {
  return { who: options.who, why: options.why };
}

/** Which new debits and credits of an account are stopped. */
export type Frozen = "none" | "debits" | "credits" | "both";

/** What may be said of a post. */
export interface PostOptions {
  /** How much is posted; without it all that is still reserved. */
  readonly amount?: number;
  /** With `false` the rest stays reserved for further posts; else it is released. */
  readonly final?: boolean;
  readonly id?: string;
}

/** What `POST /v1/transfers/{id}/post` takes. */
export function postBody(options: PostOptions): Record<string, unknown> {
  return {
    id: options.id ?? newId(),
    amount: options.amount,
    final: options.final === false ? false : undefined,
  };
}

/** The post of a pending transfer: of all that is still reserved without an amount. With `final: false`
 * the rest stays reserved. */
export function post(pendingId: string, options: PostOptions = {}): Command {
  return { kind: "post", pending_id: pendingId, ...postBody(options) };
}

/** The release of everything that a pending transfer reserves. */
export function voidPending(pendingId: string, options: { id?: string } = {}): Command {
  return { kind: "void", id: options.id ?? newId(), pending_id: pendingId };
}

/** What may be said of a reversal. */
export interface ReverseOptions {
  readonly amount?: number;
  readonly id?: string;
  readonly reference?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What `POST /v1/transfers/{id}/reverse` takes. */
export function reverseBody(
  description: string,
  options: ReverseOptions,
): Record<string, unknown> {
  return {
    id: options.id ?? newId(),
    amount: options.amount,
    description,
    reference: options.reference,
    metadata: options.metadata,
  };
}

/** A reversal of a transfer, of all that is left of it without an amount. */
export function reverse(
  transferId: string,
  description: string,
  options: ReverseOptions = {},
): Command {
  return { kind: "reverse", reverses: transferId, ...reverseBody(description, options) };
}

/** What may be said of a payment. */
export interface PaymentOptions {
  /** The account that pays: the amount is reserved at once. Without it the payment comes from outside. */
  readonly accountId?: string;
  /** The same id twice is paid once; without one a new id is drawn. */
  readonly id?: string;
  /** Your own text for it, of 1 to 128 characters. */
  readonly reference?: string;
  /** Your own texts by name. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What an operator decides about a payment. */
export interface Resolution {
  /** `settled`: the processor has it; `release`: it does not and never will, so the payment waits
   * again; `refuse`: the payment is given up. */
  readonly resolution: "settled" | "release" | "refuse";
  /** The attempt that the operator saw: if the payment has another one by now, nothing is done. */
  readonly attempt: number;
  /** Who decides: kept with the payment. */
  readonly who: string;
  /** Why: kept with the payment. */
  readonly why: string;
  /** The time under which the processor counts it, if that differs from the time that was sent to it. */
  readonly requestedAt?: string;
}

/** The opening of an account. */
export function openAccount(accountId: string, currency: string, creditLimit = 0): Command {
  return { kind: "open_account", account_id: accountId, currency, credit_limit: creditLimit };
}

/** Another credit limit; refused where the limit is not the expected one. */
export function changeLimit(
  accountId: string,
  creditLimit: number,
  options: { expectedCreditLimit?: number } = {},
): Command {
  return {
    kind: "change_limit",
    account_id: accountId,
    credit_limit: creditLimit,
    expected_credit_limit: options.expectedCreditLimit,
  };
}

/** What of an account is frozen from now on; refused where something else is frozen than expected. */
export function changeFreeze(
  accountId: string,
  frozen: Frozen,
  options: { expectedFrozen?: Frozen } = {},
): Command {
  return {
    kind: "change_freeze",
    account_id: accountId,
    frozen,
    expected_frozen: options.expectedFrozen,
  };
}

/** The closing of an account; refused where it does not have the expected number of entries. */
export function closeAccount(
  accountId: string,
  options: { expectedEntryCount?: number } = {},
): Command {
  return {
    kind: "close_account",
    account_id: accountId,
    expected_entry_count: options.expectedEntryCount,
  };
}

/** Whether the command can be sent twice and happens once. */
export function isRepeatable(command: Command): boolean {
  return ["transfer", "post", "void", "reverse", "open_account"].includes(command.kind);
}
