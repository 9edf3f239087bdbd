//! The state of an endpoint as it is kept, in a file or in a row of a table.
//!
//! | line | content |
//! |---|---|
//! | first | `lastro webhook state 1` and the BLAKE3 hash of the second line without its end, in hexadecimal digits |
//! | second | JSON: [`Saved`] |
//!
//! It is replaced as a whole. `docs/webhook-state.md` describes it.

use crate::queue::Saved;

/// The beginning of the first line.
const MAGIC: &str = "lastro webhook state ";
/// The format that is written.
const VERSION: &str = "1";

/// Why a state cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateInvalid {
    /// Its content is not what was written.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// A later version has written it.
    #[error("has the format {0}, and this build reads {VERSION}: use the build that wrote it")]
    OtherVersion(String),
}

/// Reads what [`written`] made.
pub(crate) fn parse(bytes: &[u8]) -> Result<Saved, StateInvalid> {
    let damaged = |why: &str| StateInvalid::Damaged(why.to_owned());
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
    let (head, rest) = text
        .split_once('\n')
        .ok_or_else(|| damaged("it has no second line"))?;
    let head = head
        .strip_prefix(MAGIC)
        .ok_or_else(|| damaged("it does not begin as a state does"))?;
    let (version, hash) = head
        .split_once(' ')
        .ok_or_else(|| damaged("its first line is cut"))?;
    if version != VERSION {
        return Err(StateInvalid::OtherVersion(
            version.chars().take(20).collect(),
        ));
    }
    let body = rest
        .strip_suffix('\n')
        .ok_or_else(|| damaged("it is cut"))?;
    if blake3::hash(body.as_bytes()).to_hex().as_str() != hash {
        return Err(damaged("its hash does not match its content"));
    }
    serde_json::from_str(body).map_err(|error| damaged(&error.to_string()))
}

/// The bytes that are kept.
pub(crate) fn written(saved: &Saved) -> Vec<u8> {
    let body = serde_json::to_string(saved).expect("plain data, written to memory");
    let hash = blake3::hash(body.as_bytes()).to_hex();
    format!("{MAGIC}{VERSION} {hash}\n{body}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ledger::{EventPosition, Timestamp};

    use super::*;
    use crate::queue::{
        DeliveryRecord, Disabled, FeedPlace, LastTry, Placed, SavedDelivery, Tries,
    };

    /// Written by the first version that had webhooks. It is read for ever.
    const FIXTURE: &str = "tests/fixtures/state-1/orders.state";

    fn record(number: u8, tries: Tries) -> DeliveryRecord {
        let at = |number| EventPosition::from_bytes([number; EventPosition::BYTES]);
        let placed = Placed {
            after: match number {
                1 => FeedPlace::Beginning,
                number => FeedPlace::After(at(number - 1)),
            },
            position: at(number),
            event_type: "transfer.posted".to_owned(),
            timestamp: Timestamp::from_nanos(1_767_225_600_000_000_000 + u64::from(number)),
        };
        DeliveryRecord { placed, tries }
    }

    fn sample() -> Saved {
        let tries = Tries {
            count: 3,
            tried_for_ms: 15_000,
            first_at: Some(Timestamp::from_nanos(1_767_225_601_000_000_000)),
            last: Some(LastTry {
                at: Timestamp::from_nanos(1_767_225_616_000_000_000),
                status: Some(503),
                failure: String::new(),
                body: "away\n\"for lunch\"".to_owned(),
            }),
        };
        Saved {
            read_to: FeedPlace::After(EventPosition::from_bytes([9; EventPosition::BYTES])),
            disabled: Some(Disabled::TooManyDeadLetters),
            waiting: vec![
                SavedDelivery {
                    record: record(2, Tries::default()),
                    was_dead: false,
                },
                SavedDelivery {
                    record: record(7, tries.clone()),
                    was_dead: true,
                },
            ],
            dead_letters: vec![record(1, tries)],
        }
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        for saved in [Saved::beginning(FeedPlace::Beginning), sample()] {
            assert_eq!(parse(&written(&saved)), Ok(saved));
        }
    }

    #[test]
    fn the_first_format_stays_readable() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE);
        if std::env::var_os("LASTRO_UPDATE_GOLDEN").is_some() && !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, written(&sample())).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(parse(&bytes), Ok(sample()));
        assert_eq!(bytes, written(&sample()));
    }

    /// Whatever is in the file, it is what was written or it is refused; also where the hash is right.
    #[test]
    fn fuzz_state_files() {
        let whole = written(&sample());
        testkit::fuzz(&[&whole], |bytes| {
            if let Ok(saved) = parse(bytes) {
                assert_eq!(saved, sample());
            }
            let Some((_, body)) = std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.split_once('\n'))
            else {
                return;
            };
            let body = body.trim_end_matches('\n');
            let hash = blake3::hash(body.as_bytes()).to_hex();
            let sealed = format!("{MAGIC}{VERSION} {hash}\n{body}\n");
            if let Ok(saved) = parse(sealed.as_bytes()) {
                assert_eq!(parse(&written(&saved)).unwrap(), saved);
            }
        });
    }

    /// Any flipped bit, any cut and anything behind the end is noticed: no endpoint begins anew, or elsewhere.
    #[test]
    fn damage_is_found_wherever_it_is() {
        let whole = written(&sample());
        let fails = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        for index in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[index] ^= 1;
            let error = fails(&bytes);
            assert!(
                error.contains("is damaged") || error.contains("has the format"),
                "{index}: {error}"
            );
        }
        for length in 0..whole.len() {
            assert!(fails(&whole[..length]).contains("is damaged"), "{length}");
        }
        assert!(fails(&[whole.as_slice(), b"{}"].concat()).contains("is damaged"));
    }
}
