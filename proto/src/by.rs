//! Who decides something about an account, and why.

use ledger::{By, Note};

use crate::fields::{self, Invalid};
use crate::v1;

pub(crate) fn to_message(by: Option<&By>) -> Option<v1::By> {
    let text = |note: &Option<Note>| note.as_ref().map(|note| note.as_str().to_owned());
    by.map(|by| v1::By {
        who: text(&by.who),
        why: text(&by.why),
    })
}

/// `None` where neither is said.
pub(crate) fn of(message: Option<v1::By>) -> Result<Option<Box<By>>, Invalid> {
    let Some(v1::By { who, why }) = message else {
        return Ok(None);
    };
    let note = |text: Option<String>, field| text.map(|text| fields::note(text, field)).transpose();
    Ok(By::new(note(who, "by.who")?, note(why, "by.why")?))
}
