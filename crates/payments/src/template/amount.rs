//! The amount in an answer: a number or a text, in minor units or as a decimal.

use ledger::Currency;

use super::field::FieldPath;
use crate::decimal::minor_units;

/// What an amount counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AmountUnit {
    /// `19.90`.
    Decimal,
    /// `1990`.
    Minor,
}

/// A field with an amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AmountField {
    pub(super) field: FieldPath,
    pub(super) unit: AmountUnit,
}

impl AmountField {
    /// In minor units; `None` inside where it is a number, and not one that can be told exactly.
    pub(super) fn read(
        &self,
        body: &[u8],
        currency: Currency,
    ) -> Result<Option<u64>, &'static str> {
        let text = self.field.text(body).ok_or("the amount is missing")?;
        if text.parse::<serde_json::Number>().is_err() {
            return Err("the amount is no number");
        }
        let decimals = match self.unit {
            AmountUnit::Decimal => currency.decimals(),
            AmountUnit::Minor => 0,
        };
        Ok(minor_units(&text, decimals))
    }
}
