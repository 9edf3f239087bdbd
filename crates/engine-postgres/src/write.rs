//! The second round trip of a call: what its events make, a statement for each table, and the
//! commit. They go together: where one of them fails, the database makes a rollback of the commit.
//!
//! Whatever is written is locked by the call already, or new. What may be new on another node at
//! the same time is inserted first, sorted: the later node waits, meets a unique key, and its whole
//! attempt is rolled back and made anew upon what the first one wrote. Stripes come last, sorted
//! too, so that they are held for the shortest time.

use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use crate::error::Failure;
use crate::lease::Lease;
use crate::listed::LISTED;
use crate::numbers::stripe_last;
use crate::pipeline::Sent;
use crate::rows::{AccountRows, PaymentRows, Rows};

const TRANSFERS_NEW: &str = "
    INSERT INTO lastro.transfers
        (transfer_id, record, pending_state, expired_at, reversed_amount, left_amount)
    SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::smallint[], $4::bigint[], $5::bigint[],
        $6::bigint[])";

const PAYMENTS_NEW: &str = "
    INSERT INTO lastro.payments
        (payment_id, record, state, account_id, amount, processor, requested_at_ms, accepted_at)
    SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::smallint[], $4::text[], $5::bigint[],
        $6::text[], $7::bigint[], $8::bigint[])";

const BATCHES_NEW: &str = "
    INSERT INTO lastro.batches (batch_id, digest, outcomes, decided_at)
    SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::bigint[])";

const ACCOUNTS_NEW: &str = "
    INSERT INTO lastro.accounts (account_id, currency, credit_limit, credit_limit_opened,
        debits_posted, credits_posted, debits_pending, credits_pending, entry_count, closed,
        opened_at, frozen, newest_at)
    SELECT *, $13::bigint FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[],
        $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::boolean[],
        $11::bigint[], $12::smallint[])";

const STRIPES_NEW: &str = concat!(
    r#"
    INSERT INTO lastro.stripes (account_id, stripe, currency, opened_at)
    SELECT new.id, stripe, new.currency, new.opened_at
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS new (id, currency, opened_at),
        generate_series(0, "#,
    stripe_last!(),
    r#") AS stripe
    ORDER BY new.id COLLATE "C", stripe
    ON CONFLICT (account_id, stripe) DO NOTHING"#
);

const TRANSFERS_SETTLED: &str = "
    UPDATE lastro.transfers AS old SET record = new.record
    FROM unnest($1::uuid[], $2::bytea[]) AS new (id, record) WHERE old.transfer_id = new.id";

const PENDINGS_ENDED: &str = "
    UPDATE lastro.transfers AS old
    SET pending_state = new.pending_state, expired_at = new.expired_at
    FROM unnest($1::uuid[], $2::smallint[], $3::bigint[]) AS new (id, pending_state, expired_at)
    WHERE old.transfer_id = new.id";

const REVERSED: &str = "
    UPDATE lastro.transfers AS old SET reversed_amount = new.reversed_amount
    FROM unnest($1::uuid[], $2::bigint[]) AS new (id, reversed_amount)
    WHERE old.transfer_id = new.id";

const REVERSALS: &str = "
    INSERT INTO lastro.reversals (reverses, transfer_id)
    SELECT * FROM unnest($1::uuid[], $2::uuid[])";

const PARTS_LEFT: &str = "
    UPDATE lastro.transfers AS old
    SET left_amount = new.left_amount, pending_state = new.pending_state
    FROM unnest($1::uuid[], $2::bigint[], $3::smallint[]) AS new (id, left_amount, pending_state)
    WHERE old.transfer_id = new.id";

const PARTS: &str = "
    INSERT INTO lastro.parts (pending_id, transfer_id, left_amount)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])";

const PENDINGS_GONE: &str = "DELETE FROM lastro.pendings WHERE transfer_id = ANY ($1)";

const PENDINGS_NEW: &str = "
    INSERT INTO lastro.pendings (account_id, transfer_id, expires_at)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[])";

const PAYMENTS_CHANGED: &str = "
    UPDATE lastro.payments AS old SET record = new.record, state = new.state,
        processor = new.processor, requested_at_ms = new.requested_at_ms
    FROM unnest($1::uuid[], $2::bytea[], $3::smallint[], $4::text[], $5::bigint[])
        AS new (id, record, state, processor, requested_at_ms)
    WHERE old.payment_id = new.id";

const ACCOUNTS_CHANGED: &str = "
    UPDATE lastro.accounts AS old SET credit_limit = new.credit_limit,
        debits_posted = new.debits_posted, credits_posted = new.credits_posted,
        debits_pending = new.debits_pending, credits_pending = new.credits_pending,
        entry_count = new.entry_count, closed = new.closed, frozen = new.frozen,
        newest_at = $10
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::bigint[], $8::boolean[], $9::smallint[]) AS new (id, credit_limit, debits_posted,
        credits_posted, debits_pending, credits_pending, entry_count, closed, frozen)
    WHERE old.account_id = new.id";

const ENTRIES: &str = "
    INSERT INTO lastro.entries (account_id, number, transfer_id, kind, debit_account_id,
        credit_account_id, amount, description, balance_after, entered_at, reference, metadata)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[],
        $7::bigint[], $8::text[], $9::bigint[], $10::bigint[], $11::text[], $12::text[])";

const RESOLUTIONS: &str = "
    INSERT INTO lastro.resolutions (payment_id, resolved_at, kind, requested_at_ms, attempt,
        processor, who, why)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[],
        $6::text[], $7::text[], $8::text[])";

const ACCOUNT_CHANGES: &str = "
    INSERT INTO lastro.account_changes (account_id, changed_at, record)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])";

const PAYMENT_CHANGES: &str = "
    INSERT INTO lastro.payment_changes (payment_id, changed_at, record)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bytea[])";

const PURGES: &str = "INSERT INTO lastro.purges (purged_at) SELECT unnest($1::bigint[])";

/// Of all that happens only this draws positions: when all else of the call but its stripes is locked and written.
const EVENTS: &str = "INSERT INTO lastro.events (records) SELECT unnest($1::bytea[])";

/// Summaries begin anew.
const SUMS_GONE: &str = "DELETE FROM lastro.payment_sums";

const SUMS: &str = "
    INSERT INTO lastro.payment_sums AS old
        (level, bucket, processor, payments_count, amount, stripe)
    SELECT new.level, new.bucket, new.processor, new.payments_count, new.amount::numeric,
        $6::smallint
    FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[])
        AS new (level, bucket, processor, payments_count, amount)
    ON CONFLICT (level, bucket, processor, stripe) DO UPDATE SET
        payments_count = old.payments_count + excluded.payments_count,
        amount = old.amount + excluded.amount";

const STRIPES: &str = r#"
    INSERT INTO lastro.stripes AS old (account_id, stripe, currency, opened_at, debits_posted,
        credits_posted, debits_pending, credits_pending)
    SELECT new.id, $8::smallint, new.currency, new.opened_at, new.debits_posted,
        new.credits_posted, new.debits_pending, new.credits_pending
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::bigint[]) AS new (id, currency, opened_at, debits_posted, credits_posted,
        debits_pending, credits_pending)
    ORDER BY new.id COLLATE "C"
    ON CONFLICT (account_id, stripe) DO UPDATE SET
        debits_posted = lastro.add_wrapping(old.debits_posted, excluded.debits_posted),
        credits_posted = lastro.add_wrapping(old.credits_posted, excluded.credits_posted),
        debits_pending = lastro.add_wrapping(old.debits_pending, excluded.debits_pending),
        credits_pending = lastro.add_wrapping(old.credits_pending, excluded.credits_pending)"#;

/// Those of most calls.
pub(crate) const STATEMENTS: [&str; 21] = [
    TRANSFERS_NEW,
    PAYMENTS_NEW,
    BATCHES_NEW,
    ACCOUNTS_NEW,
    STRIPES_NEW,
    TRANSFERS_SETTLED,
    PENDINGS_ENDED,
    REVERSED,
    REVERSALS,
    PARTS_LEFT,
    PARTS,
    PENDINGS_GONE,
    PENDINGS_NEW,
    PAYMENTS_CHANGED,
    PAYMENT_CHANGES,
    ACCOUNTS_CHANGED,
    ENTRIES,
    LISTED,
    SUMS,
    EVENTS,
    STRIPES,
];

type Parameters<'a> = Vec<&'a (dyn ToSql + Sync)>;
type Statements<'a> = Vec<(&'static str, Parameters<'a>)>;

/// Writes the rows in a transaction of the caller's; unlimited accounts' changes go to this stripe.
pub(crate) async fn write(lease: &Lease, rows: &Rows, stripe: i16) -> Result<(), Failure> {
    let statements = statements(rows, &stripe);
    let prepared = prepared(lease, &statements).await?;
    for sent in sent(lease, &prepared, &statements).await {
        sent.answer().await?;
    }
    Ok(())
}

/// Likewise, and commits. The connection is given back when the transaction has ended, else it is
/// closed.
pub(crate) async fn write_and_commit(
    lease: Lease,
    rows: &Rows,
    stripe: i16,
) -> Result<(), Failure> {
    let statements = statements(rows, &stripe);
    let prepared = prepared(&lease, &statements).await?;
    let sent = sent(&lease, &prepared, &statements).await;
    let commit = Sent::new(lease.client().batch_execute("COMMIT")).await;
    let mut failed = None;
    for sent in sent {
        if let Err(error) = sent.answer().await {
            failed.get_or_insert(error);
        }
    }
    let committed = commit.answer().await;
    let waited = lease.committed();
    if committed.is_ok() {
        lease.done();
    }
    match failed {
        // An answer of the server's: nothing after it was done, the commit least of all.
        Some(error) if error.code().is_some() => Err(Failure::Database(error)),
        Some(_) => Err(Failure::CommitUnknown),
        None => committed.map_err(|_| Failure::CommitUnknown).and(waited),
    }
}

fn statements<'a>(rows: &'a Rows, stripe: &'a i16) -> Statements<'a> {
    let mut statements = Vec::new();
    insert_ids(rows, &mut statements);
    change_ids(rows, &mut statements);
    change_money(rows, stripe, &mut statements);
    statements
}

async fn prepared(lease: &Lease, statements: &Statements<'_>) -> Result<Vec<Statement>, Failure> {
    let mut prepared = Vec::with_capacity(statements.len());
    for (statement, _) in statements {
        prepared.push(lease.client().prepare_cached(statement).await?);
    }
    Ok(prepared)
}

/// Sends them, in order.
async fn sent<'a>(
    lease: &'a Lease,
    prepared: &'a [Statement],
    statements: &'a Statements<'a>,
) -> Vec<Sent<'a, u64>> {
    let mut sent = Vec::with_capacity(prepared.len());
    for (statement, (_, parameters)) in prepared.iter().zip(statements) {
        sent.push(Sent::new(lease.client().execute(statement, parameters)).await);
    }
    sent
}

/// What may be new on another node too.
fn insert_ids<'a>(rows: &'a Rows, statements: &mut Statements<'a>) {
    let new = &rows.transfers_new;
    if !new.id.is_empty() {
        let parameters: Parameters<'a> = vec![
            &new.id,
            &new.record,
            &new.pending_state,
            &new.expired_at,
            &new.reversed_amount,
            &new.left_amount,
        ];
        statements.push((TRANSFERS_NEW, parameters));
    }
    if !rows.payments_new.id.is_empty() {
        statements.push((PAYMENTS_NEW, all_payment_columns(&rows.payments_new)));
    }
    let batches = &rows.batches;
    if !batches.id.is_empty() {
        let parameters: Parameters<'a> = vec![
            &batches.id,
            &batches.digest,
            &batches.outcomes,
            &batches.decided_at,
        ];
        statements.push((BATCHES_NEW, parameters));
    }
    if !rows.limited_new.id.is_empty() {
        let mut parameters = all_account_columns(&rows.limited_new);
        parameters.push(&rows.newest_at);
        statements.push((ACCOUNTS_NEW, parameters));
    }
    let new = &rows.unlimited_new;
    if !new.id.is_empty() {
        let parameters: Parameters<'a> = vec![&new.id, &new.currency, &new.opened_at];
        statements.push((STRIPES_NEW, parameters));
    }
    if !rows.purged_at.is_empty() {
        statements.push((PURGES, vec![&rows.purged_at]));
        statements.push((SUMS_GONE, Vec::new()));
    }
}

/// What becomes of ids that are locked.
fn change_ids<'a>(rows: &'a Rows, statements: &mut Statements<'a>) {
    let settled = &rows.transfers_settled;
    if !settled.id.is_empty() {
        statements.push((TRANSFERS_SETTLED, vec![&settled.id, &settled.record]));
    }
    // Before the ends: the same call may have both.
    let left = &rows.left;
    if !left.id.is_empty() {
        let parameters: Parameters<'a> = vec![&left.id, &left.left_amount, &left.pending_state];
        statements.push((PARTS_LEFT, parameters));
    }
    let ended = &rows.ended;
    if !ended.id.is_empty() {
        let parameters: Parameters<'a> = vec![&ended.id, &ended.pending_state, &ended.expired_at];
        statements.push((PENDINGS_ENDED, parameters));
        statements.push((PENDINGS_GONE, vec![&ended.id]));
    }
    let reversed = &rows.reversed;
    if !reversed.id.is_empty() {
        statements.push((REVERSED, vec![&reversed.id, &reversed.reversed_amount]));
    }
    let reversals = &rows.reversals;
    if !reversals.reverses.is_empty() {
        let parameters: Parameters<'a> = vec![&reversals.reverses, &reversals.transfer_id];
        statements.push((REVERSALS, parameters));
    }
    let parts = &rows.parts;
    if !parts.pending_id.is_empty() {
        let parameters: Parameters<'a> =
            vec![&parts.pending_id, &parts.transfer_id, &parts.left_amount];
        statements.push((PARTS, parameters));
    }
    let pending = &rows.pendings_new;
    if !pending.transfer_id.is_empty() {
        let parameters: Parameters<'a> = vec![
            &pending.account_id,
            &pending.transfer_id,
            &pending.expires_at,
        ];
        statements.push((PENDINGS_NEW, parameters));
    }
    let payments = &rows.payments_changed;
    if !payments.id.is_empty() {
        let parameters: Parameters<'a> = vec![
            &payments.id,
            &payments.record,
            &payments.state,
            &payments.processor,
            &payments.requested_at_ms,
        ];
        statements.push((PAYMENTS_CHANGED, parameters));
    }
    let resolutions = &rows.resolutions;
    if !resolutions.payment_id.is_empty() {
        let parameters: Parameters<'a> = vec![
            &resolutions.payment_id,
            &resolutions.resolved_at,
            &resolutions.kind,
            &resolutions.requested_at_ms,
            &resolutions.attempt,
            &resolutions.processor,
            &resolutions.who,
            &resolutions.why,
        ];
        statements.push((RESOLUTIONS, parameters));
    }
    let changes = &rows.account_changes;
    if !changes.id.is_empty() {
        let parameters: Parameters<'a> = vec![&changes.id, &changes.changed_at, &changes.record];
        statements.push((ACCOUNT_CHANGES, parameters));
    }
    let changes = &rows.payment_changes;
    if !changes.id.is_empty() {
        let parameters: Parameters<'a> = vec![&changes.id, &changes.changed_at, &changes.record];
        statements.push((PAYMENT_CHANGES, parameters));
    }
}

/// Totals, entries and lists, and the feed.
fn change_money<'a>(rows: &'a Rows, stripe: &'a i16, statements: &mut Statements<'a>) {
    let accounts = &rows.limited_changed;
    if !accounts.id.is_empty() {
        let parameters: Parameters<'a> = vec![
            &accounts.id,
            &accounts.credit_limit,
            &accounts.debits_posted,
            &accounts.credits_posted,
            &accounts.debits_pending,
            &accounts.credits_pending,
            &accounts.entry_count,
            &accounts.closed,
            &accounts.frozen,
            &rows.newest_at,
        ];
        statements.push((ACCOUNTS_CHANGED, parameters));
    }
    let entries = &rows.entries;
    if !entries.number.is_empty() {
        let parameters: Parameters<'a> = vec![
            &entries.account_id,
            &entries.number,
            &entries.transfer_id,
            &entries.kind,
            &entries.debit_account_id,
            &entries.credit_account_id,
            &entries.amount,
            &entries.description,
            &entries.balance_after,
            &entries.entered_at,
            &entries.reference,
            &entries.metadata,
        ];
        statements.push((ENTRIES, parameters));
    }
    let lists = &rows.lists;
    if !lists.id.is_empty() {
        statements.push((LISTED, vec![&lists.list, &lists.listed_at, &lists.id]));
    }
    let sums = &rows.sums;
    if !sums.level.is_empty() {
        let parameters: Parameters<'a> = vec![
            &sums.level,
            &sums.bucket,
            &sums.processor,
            &sums.payments_count,
            &sums.amount,
            stripe,
        ];
        statements.push((SUMS, parameters));
    }
    if !rows.records.is_empty() {
        statements.push((EVENTS, vec![&rows.records]));
    }
    let accounts = &rows.unlimited_changed;
    if !accounts.id.is_empty() {
        let parameters: Parameters<'a> = vec![
            &accounts.id,
            &accounts.currency,
            &accounts.opened_at,
            &accounts.debits_posted,
            &accounts.credits_posted,
            &accounts.debits_pending,
            &accounts.credits_pending,
            stripe,
        ];
        statements.push((STRIPES, parameters));
    }
}

fn all_account_columns(rows: &AccountRows) -> Parameters<'_> {
    vec![
        &rows.id,
        &rows.currency,
        &rows.credit_limit,
        &rows.credit_limit_opened,
        &rows.debits_posted,
        &rows.credits_posted,
        &rows.debits_pending,
        &rows.credits_pending,
        &rows.entry_count,
        &rows.closed,
        &rows.opened_at,
        &rows.frozen,
    ]
}

fn all_payment_columns(rows: &PaymentRows) -> Parameters<'_> {
    vec![
        &rows.id,
        &rows.record,
        &rows.state,
        &rows.account_id,
        &rows.amount,
        &rows.processor,
        &rows.requested_at_ms,
        &rows.accepted_at,
    ]
}
