//! Which answers mean what: rules in an order, of which the first that fits counts.

use super::field::FieldPath;

/// Rules for the answers to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules<M>(pub(super) Vec<Rule<M>>);

/// A kind of answer, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule<M> {
    pub(super) statuses: Statuses,
    /// The field that has to have one of these texts.
    pub(super) field: Option<(FieldPath, Vec<String>)>,
    /// Whether a body that declares a failure does not fit.
    pub(super) is_unless_failure: bool,
    pub(super) means: M,
}

/// One status, or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statuses {
    pub(super) first: u16,
    pub(super) last: u16,
}

impl Statuses {
    /// `201`, or `2xx` for a class.
    pub(super) fn new(text: &str) -> Option<Self> {
        let (first, last) = match text.strip_suffix("xx") {
            Some(class) => {
                let class: u16 = class.parse().ok()?;
                (
                    class.checked_mul(100)?,
                    class.checked_mul(100)?.checked_add(99)?,
                )
            }
            None => {
                let status = text.parse().ok()?;
                (status, status)
            }
        };
        (200..=599).contains(&first).then_some(Self { first, last })
    }

    /// Whether all of them are of these classes.
    pub(super) fn are_within(self, classes: &[u16]) -> bool {
        classes.contains(&(self.first / 100))
    }
}

impl<M: Copy> Rules<M> {
    /// What an answer means; `None` where no rule fits.
    pub(super) fn find(&self, status: u16, body: &[u8]) -> Option<M> {
        let fits = |rule: &&Rule<M>| {
            (rule.statuses.first..=rule.statuses.last).contains(&status)
                && !(rule.is_unless_failure && declares_failure(body))
                && rule.field.as_ref().is_none_or(|(field, texts)| {
                    let told = field.text(body);
                    told.is_some_and(|told| texts.iter().any(|text| *text == told))
                })
        };
        self.0.iter().find(fits).map(|rule| rule.means)
    }
}

/// Whether the body of a good answer declares a failure, or may: one with such words that cannot be read does.
pub(super) fn declares_failure(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Declared<'a> {
        #[serde(borrow)]
        success: Option<&'a serde_json::value::RawValue>,
        #[serde(borrow)]
        error: Option<&'a serde_json::value::RawValue>,
        #[serde(borrow)]
        status: Option<&'a serde_json::value::RawValue>,
    }
    // Most answers say none of these, and are not read.
    let says = |word: &[u8]| body.windows(word.len()).any(|window| window == word);
    if !(says(b"\"success\"") || says(b"\"error\"") || says(b"\"status\"")) {
        return false;
    }
    let Ok(declared) = serde_json::from_slice::<Declared<'_>>(body) else {
        // Of another kind than an object it has none of these members; else they may say anything.
        let whole = serde_json::from_slice::<serde_json::Value>(body);
        return !whole.is_ok_and(|value| !value.is_object());
    };
    let is_false = |told: &serde_json::value::RawValue| {
        matches!(told.get(), "false" | "\"false\"" | "0" | "\"0\"")
    };
    let is_nothing =
        |error: &&serde_json::value::RawValue| matches!(error.get(), "null" | "false" | "\"\"");
    let status = declared.status.map_or("", |status| status.get());
    let status = status.trim_matches('"').to_ascii_lowercase();
    declared.success.is_some_and(is_false)
        || declared.error.is_some_and(|error| !is_nothing(&error))
        || ["failed", "failure", "error", "declined", "rejected"].contains(&status.as_str())
}
