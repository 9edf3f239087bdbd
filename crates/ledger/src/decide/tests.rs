//! The rules, case by case: every refusal with its figures, the order of the checks, and what
//! happens right at each boundary.
//!
//! A case is a script, run by the one function `check`. Each line is a command, which has to be
//! `created`, or to have the outcome after `->`:
//!
//! ```text
//! open a BRL 100                        at 5.000000001 (seconds and nanoseconds)
//! transfer 1 world:BRL a 50             pend 2 a b 30 timeout=10
//! transfer 3 a b 51 -> insufficient_funds a available=50 required=51 limit=100
//! post 4 2 20                           account a -> balance=30 available=130 pending=0/0
//! atomic 1: transfer 5 a b 1; transfer 6 a b 0 -> batch_member_failed; amount_out_of_range 0
//! ```

mod accounts;
mod batches;
mod freezes;
mod parts;
mod payments;
mod pendings;
mod repeats;
mod reversals;
mod script;
mod texts;
mod transfers;

use script::check;
