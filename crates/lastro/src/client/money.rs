//! Amounts as decimals of their currency, for tables.

use std::collections::HashMap;

use lastro_client::{AccountId, Client};
use ledger::Currency;

/// How amounts of an account are shown. A currency that cannot be read, or that this version does not know, leaves them in
/// minor units, and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Money(Option<Currency>);

impl Money {
    /// Amounts of the currency with this code.
    pub(super) fn of(code: &str) -> Self {
        Self(Currency::new(code).ok())
    }

    /// The amount without its currency, for columns that have it once.
    pub(super) fn number(self, amount: i128) -> String {
        match self.0 {
            Some(currency) => decimal(amount, currency.decimals()),
            None => format!("{amount} minor units"),
        }
    }

    /// The amount with its currency.
    pub(super) fn text(self, amount: i128) -> String {
        match self.0 {
            Some(currency) => format!("{} {currency}", self.number(amount)),
            None => self.number(amount),
        }
    }

    /// The same of an amount that may be missing.
    pub(super) fn or_dash(self, amount: Option<u64>) -> String {
        amount.map_or_else(|| "-".to_owned(), |amount| self.number(amount.into()))
    }
}

/// No floating point touches it.
fn decimal(amount: i128, decimals: u32) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let amount = amount.unsigned_abs();
    if decimals == 0 {
        return format!("{sign}{amount}");
    }
    let unit = 10_u128.pow(decimals);
    let width = decimals as usize;
    format!("{sign}{}.{:0width$}", amount / unit, amount % unit)
}

/// The currencies of accounts. A transfer does not name its own.
pub(super) struct Currencies<'a> {
    client: &'a Client,
    known: HashMap<AccountId, Money>,
}

impl<'a> Currencies<'a> {
    pub(super) fn new(client: &'a Client) -> Self {
        Self {
            client,
            known: HashMap::new(),
        }
    }

    /// How amounts of this account are shown.
    pub(super) async fn of(&mut self, id: &AccountId) -> Money {
        let text = id.as_str();
        if let Some((_, code)) = text.rsplit_once(':')
            && (text.starts_with("world:") || text.starts_with("processor:"))
        {
            return Money::of(code);
        }
        if let Some(money) = self.known.get(id) {
            return *money;
        }
        // The transfer is done: a table without decimals is better than an error about it.
        let account = self.client.account(id).await;
        let money = account.map_or(Money(None), |account| Money::of(&account.currency));
        self.known.insert(id.clone(), money);
        money
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        for (code, amount, expected) in [
            ("BRL", 0, "0.00 BRL"),
            ("BRL", 5, "0.05 BRL"),
            ("BRL", -1_234, "-12.34 BRL"),
            ("JPY", 500, "500 JPY"),
            ("KWD", 1_500, "1.500 KWD"),
            ("BRL", i128::from(i64::MIN), "-92233720368547758.08 BRL"),
            ("???", 7, "7 minor units"),
        ] {
            assert_eq!(Money::of(code).text(amount), expected);
        }
    }
}
