//! Texts with placeholders: paths, headers, bodies.
//!
//! A placeholder is a name in braces. In a body, which is JSON, a placeholder within quotes stands for a text, and
//! one outside of quotes for a whole JSON value. Nothing else has a meaning, so that there is nothing to escape:
//! JSON itself has no brace before a letter.

use ledger::{Currency, PaymentId};

use crate::decimal::decimal_text;

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Value {
        placeholder: Placeholder,
        /// Whether it is a whole JSON value, not a part of a text.
        is_whole: bool,
    },
}

/// What stands for something of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Id,
    Amount,
    AmountMinor,
    Currency,
    CurrencyLower,
    RequestedAt,
    Description,
    Reference,
    Metadata,
}

const ALL: [(&str, Placeholder); 9] = [
    ("id", Placeholder::Id),
    ("amount", Placeholder::Amount),
    ("amount_minor", Placeholder::AmountMinor),
    ("currency", Placeholder::Currency),
    ("currency_lower", Placeholder::CurrencyLower),
    ("requested_at", Placeholder::RequestedAt),
    ("description", Placeholder::Description),
    ("reference", Placeholder::Reference),
    ("metadata", Placeholder::Metadata),
];

/// Why a text is not one of a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TextInvalid {
    /// A name that stands for nothing, or not here.
    #[error("{{{name}}} is not a placeholder that can be used here: use {expected}")]
    Placeholder {
        /// The name.
        name: String,
        /// Those that can.
        expected: String,
    },
    /// Metadata within quotes.
    #[error("{{metadata}} is a JSON object: use it without quotes around it")]
    MetadataInQuotes,
    /// The body is not JSON.
    #[error("the body is not JSON once its placeholders are filled in: {0}")]
    NotJson(String),
}

/// The texts of a payment that are not kept by the dispatcher.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) description: String,
    pub(crate) reference: Option<String>,
    /// A JSON object.
    pub(crate) metadata: String,
}

/// What placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) id: PaymentId,
    /// Missing in a look-up, which names the id alone.
    pub(crate) payment: Option<PaymentValues<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct PaymentValues<'a> {
    pub(crate) amount: u64,
    pub(crate) currency: Currency,
    pub(crate) requested_at: &'a str,
    pub(crate) details: &'a Details,
}

impl Values<'_> {
    pub(super) const fn of_id(id: PaymentId) -> Self {
        Self { id, payment: None }
    }
}

impl Text {
    /// A text in which only the id can stand, such as a path.
    pub(super) fn of_id(text: &str) -> Result<Self, TextInvalid> {
        Self::parse(text, &ALL[..1], false)
    }

    /// A body in JSON.
    pub(super) fn of_json(text: &str, has_payment: bool) -> Result<Self, TextInvalid> {
        let allowed = if has_payment { &ALL[..] } else { &ALL[..1] };
        let parsed = Self::parse(text, allowed, true)?;
        // A sample shows whether it is JSON whatever is filled in: each kind of value has the same form always.
        let details = Details {
            description: "text".to_owned(),
            reference: Some("text".to_owned()),
            metadata: "{}".to_owned(),
        };
        let filled = parsed.fill(&Values {
            id: PaymentId::from_u128(1),
            payment: Currency::new("BRL").ok().map(|currency| PaymentValues {
                amount: 1,
                currency,
                requested_at: "2026-01-01T00:00:00.000Z",
                details: &details,
            }),
        });
        let Some(filled) = filled else {
            unreachable!("the sample has a value for each placeholder");
        };
        let read: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&filled);
        read.map_err(|error| TextInvalid::NotJson(error.to_string()))?;
        Ok(parsed)
    }

    fn parse(
        text: &str,
        allowed: &[(&str, Placeholder)],
        is_json: bool,
    ) -> Result<Self, TextInvalid> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let (mut is_quoted, mut is_escaped) = (false, false);
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some(name) = name_in_braces(rest) {
                let known = allowed.iter().find(|(known, _)| *known == name);
                let (_, placeholder) = *known.ok_or_else(|| TextInvalid::Placeholder {
                    name: name.to_owned(),
                    expected: list(allowed),
                })?;
                if placeholder == Placeholder::Metadata && is_quoted {
                    return Err(TextInvalid::MetadataInQuotes);
                }
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                pieces.push(Piece::Value {
                    placeholder,
                    is_whole: is_json && !is_quoted,
                });
                rest = &rest[name.len() + 2..];
                continue;
            }
            match next {
                '"' if !is_escaped => is_quoted = !is_quoted,
                '\\' if is_quoted && !is_escaped => {
                    is_escaped = true;
                    literal.push(next);
                    rest = &rest[next.len_utf8()..];
                    continue;
                }
                _ => {}
            }
            is_escaped = false;
            literal.push(next);
            rest = &rest[next.len_utf8()..];
        }
        pieces.push(Piece::Literal(literal));
        Ok(Self(pieces))
    }

    /// Whether it has texts of the payment in it that the dispatcher does not keep.
    pub(super) fn needs_details(&self) -> bool {
        let needs = |piece: &Piece| match piece {
            Piece::Literal(_) => false,
            Piece::Value { placeholder, .. } => match placeholder {
                Placeholder::Description | Placeholder::Reference | Placeholder::Metadata => true,
                Placeholder::Id
                | Placeholder::Amount
                | Placeholder::AmountMinor
                | Placeholder::Currency
                | Placeholder::CurrencyLower
                | Placeholder::RequestedAt => false,
            },
        };
        self.0.iter().any(needs)
    }

    /// Whether it names the payment.
    pub(super) fn has_id(&self) -> bool {
        let is_id = |piece: &Piece| match piece {
            Piece::Literal(_) => false,
            Piece::Value { placeholder, .. } => *placeholder == Placeholder::Id,
        };
        self.0.iter().any(is_id)
    }

    /// The text with its values; `None` where there is no value for a placeholder.
    pub(super) fn fill(&self, values: &Values<'_>) -> Option<String> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => filled.push_str(text),
                Piece::Value {
                    placeholder,
                    is_whole,
                } => placeholder.write(values, *is_whole, &mut filled)?,
            }
        }
        Some(filled)
    }
}

impl Placeholder {
    fn write(self, values: &Values<'_>, is_whole: bool, filled: &mut String) -> Option<()> {
        if self == Self::Id {
            push_text(&values.id.to_string(), is_whole, filled);
            return Some(());
        }
        let payment = values.payment?;
        let currency = payment.currency;
        match self {
            Self::Id => unreachable!("it is written above"),
            Self::Amount => {
                filled.push_str(&decimal_text(payment.amount.into(), currency.decimals()));
            }
            Self::AmountMinor => filled.push_str(&payment.amount.to_string()),
            Self::Currency => push_text(currency.as_str(), is_whole, filled),
            Self::CurrencyLower => {
                push_text(&currency.as_str().to_ascii_lowercase(), is_whole, filled);
            }
            Self::RequestedAt => push_text(payment.requested_at, is_whole, filled),
            Self::Description => push_text(&payment.details.description, is_whole, filled),
            Self::Reference => match &payment.details.reference {
                Some(reference) => push_text(reference, is_whole, filled),
                None if is_whole => filled.push_str("null"),
                None => {}
            },
            Self::Metadata => filled.push_str(&payment.details.metadata),
        }
        Some(())
    }
}

/// A text as JSON, with its quotes where it is a whole value.
fn push_text(text: &str, is_whole: bool, filled: &mut String) {
    let quoted = serde_json::Value::from(text).to_string();
    match is_whole {
        true => filled.push_str(&quoted),
        false => filled.push_str(&quoted[1..quoted.len() - 1]),
    }
}

/// The name that the text begins with, in braces.
fn name_in_braces(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('{')?.split_once('}')?;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (!name.is_empty() && name.bytes().all(is_name)).then_some(name)
}

fn list(allowed: &[(&str, Placeholder)]) -> String {
    let names: Vec<_> = allowed
        .iter()
        .map(|(name, _)| format!("{{{name}}}"))
        .collect();
    names.join(", ")
}
