//! Entries as comma-separated values (RFC 4180).
//!
//! Texts are quoted from the first line on: DuckDB 1.x reads without quotes where the first 20,480 rows have none. Amounts
//! are integers of minor units: the only numbers that every locale and program reads the same.

use ledger::{AccountId, Currency};

use super::super::views::EntryView;

/// The first line.
pub(super) const HEADER: &str = "\"entry_number\",\"timestamp\",\"transfer_id\",\"kind\",\"debit_account_id\",\
    \"credit_account_id\",\"currency\",\"amount_minor\",\"balance_minor\",\"description\",\"reference\",\"metadata\",\
    \"pending_id\",\"payment_id\",\"reverses\"\r\n";

/// Adds the line of an entry of this account. Its amount has the sign of what it did to the balance.
pub(super) fn write(id: &AccountId, currency: Currency, entry: &EntryView<'_>, to: &mut Vec<u8>) {
    let sign = if entry.debit_account_id == id.as_str() {
        "-"
    } else {
        ""
    };
    let metadata = entry
        .metadata
        .as_ref()
        .map_or_else(String::new, |metadata| {
            serde_json::to_string(metadata).expect("texts by name are plain data")
        });
    let number =
        |number: Option<i128>| number.map_or_else(String::new, |number| number.to_string());
    let id = |id: &Option<String>| quoted(id.as_deref().unwrap_or_default());
    let fields = [
        number(entry.number.map(i128::from)),
        quoted(&entry.timestamp.to_string()),
        quoted(&entry.transfer_id.to_string()),
        quoted(entry.kind),
        quoted(entry.debit_account_id),
        quoted(entry.credit_account_id),
        quoted(currency.as_str()),
        format!("{sign}{}", entry.amount),
        number(entry.balance_after.map(i128::from)),
        quoted(entry.description),
        quoted(entry.reference.unwrap_or_default()),
        quoted(&metadata),
        id(&entry.pending_id),
        id(&entry.payment_id),
        id(&entry.reverses),
    ];
    to.extend_from_slice(fields.join(",").as_bytes());
    to.extend_from_slice(b"\r\n");
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
