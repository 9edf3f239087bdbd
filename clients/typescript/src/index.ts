/** Client of Lastro, a ledger and payments server. */

export { Lastro, type Options } from "./client.js";
export { type Retry } from "./attempts.js";
export * as commands from "./commands.js";
export {
  BatchRefused,
  Conflict,
  Denied,
  LastroError,
  NotFound,
  type Problem,
  Refused,
  Unavailable,
} from "./errors.js";
export { newId } from "./ids.js";
export type {
  Account,
  AccountBalance,
  AccountsAsked,
  AccountsPage,
  After,
  Balance,
  BalancesAsked,
  BalancesPage,
  Batch,
  CurrencyTotal,
  Delivery,
  Endpoint,
  Entry,
  Event,
  EventsAsked,
  EventsPage,
  LimitChange,
  LimitsPage,
  Operation,
  Outcome,
  Payment,
  PaymentsAsked,
  PaymentsPage,
  StatementPage,
  StatementWindow,
  Transfer,
  TransfersAsked,
  TransfersPage,
  Try,
  Window,
} from "./models.js";
