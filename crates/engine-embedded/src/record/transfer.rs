//! A plain transfer's record, put together by hand: most records are one, and serde would take a
//! fifth of the time that the transfer takes in all, with a call for each of its numbers and a
//! copy of each id. The bytes are those that serde makes.

use ledger::{After, Event, Transfer, TransferKind};

use super::Links;
use super::appending::Appending;

/// What the numbers between two texts take at most: the links (3 × 10), the event's and the
/// kind's variant, the id and a length; or a timestamp, and two sides (31 each).
const NUMBERS_BYTES_MAX: usize = 96;

/// Appends the record's bytes behind its version, if the event is a plain transfer; else nothing.
pub(super) fn encode(links: Links, event: &Event, bytes: &mut Vec<u8>) -> bool {
    let Event::Transfer(transfer) = event else {
        return false;
    };
    if transfer.kind != TransferKind::Transfer {
        return false;
    }
    let Transfer {
        id,
        kind: _,
        debit_account_id,
        credit_account_id,
        amount,
        description,
        notes,
        timestamp,
        debit,
        credit,
    } = transfer;
    let mut numbers = Numbers::default();
    numbers.number(links.debit_previous);
    numbers.number(links.credit_previous);
    numbers.number(links.origin);
    // The first variant of `Event`.
    numbers.byte(0);
    numbers.id(id.to_bytes());
    // The first variant of `TransferKind`.
    numbers.byte(0);
    numbers.text(debit_account_id.as_str(), bytes);
    numbers.text(credit_account_id.as_str(), bytes);
    numbers.number(*amount);
    numbers.text(description, bytes);
    if notes.is_none() {
        // The first variant of their form.
        numbers.byte(0);
    } else {
        numbers.append_to(bytes);
        postcard::serialize_with_flavor(notes, Appending(bytes))
            .expect("plain data serializes into memory");
    }
    numbers.number(timestamp.as_nanos());
    numbers.after(*debit);
    numbers.after(*credit);
    numbers.append_to(bytes);
    true
}

/// Numbers that wait to be appended together.
struct Numbers {
    bytes: [u8; NUMBERS_BYTES_MAX],
    length: usize,
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            bytes: [0; NUMBERS_BYTES_MAX],
            length: 0,
        }
    }
}

impl Numbers {
    const fn byte(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    /// Seven bits a byte, the lowest first; the highest bit of each says that more follow.
    const fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.byte(number.to_le_bytes()[0]);
    }

    /// Zigzag: small numbers are short whatever their sign.
    const fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn id(&mut self, id: [u8; 16]) {
        let end = self.length + id.len();
        self.bytes[self.length..end].copy_from_slice(&id);
        self.length = end;
    }

    fn after(&mut self, after: Option<After>) {
        match after {
            None => self.byte(0),
            Some(after) => {
                self.byte(1);
                self.number(after.entry_number);
                self.signed(after.balance);
                self.number(after.credit_limit);
            }
        }
    }

    /// Appends what waits, and the text behind it.
    fn text(&mut self, text: &str, bytes: &mut Vec<u8>) {
        self.number(text.len() as u64);
        self.append_to(bytes);
        bytes.extend_from_slice(text.as_bytes());
    }

    fn append_to(&mut self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.bytes[..self.length]);
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use ledger::{AccountId, Metadata, Notes, Reference, Timestamp, TransferId};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use testkit::Seeds;

    use super::super::Recording;
    use super::super::tests::largest_notes;
    use super::*;

    /// Of any length in bits.
    fn number(random: &mut StdRng) -> u64 {
        let bits = random.random_range(0..64);
        random.random::<u64>() >> bits
    }

    fn text(random: &mut StdRng, length_max: usize, of: &str) -> String {
        let characters: Vec<char> = of.chars().collect();
        let length = random.random_range(1..=length_max);
        (0..length)
            .map(|_| characters[random.random_range(0..characters.len())])
            .collect()
    }

    fn after(random: &mut StdRng) -> Option<After> {
        random.random::<bool>().then(|| After {
            entry_number: number(random),
            balance: number(random).cast_signed(),
            credit_limit: number(random),
        })
    }

    fn notes(random: &mut StdRng) -> Notes {
        let reference = match random.random_range(0..3) {
            0 => None,
            1 => Some(Reference::from_u128(random.random())),
            _ => Some(Reference::new(&text(random, 128, "a é💸")).unwrap()),
        };
        let mut texts: Vec<(&str, String)> = Vec::new();
        for name in ["a", "é", "order"] {
            if random.random_range(0..4) == 0 {
                texts.push((name, text(random, 50, "\"a é\\")));
            }
        }
        let texts = texts.iter().map(|(name, text)| (*name, text.as_str()));
        Notes::new(reference, Metadata::new(texts).unwrap())
    }

    fn transfer(random: &mut StdRng) -> Transfer {
        let id = |random: &mut StdRng| AccountId::new(&text(random, 64, "abz019")).unwrap();
        Transfer {
            id: TransferId::from_u128(random.random()),
            kind: TransferKind::Transfer,
            debit_account_id: id(random),
            credit_account_id: id(random),
            amount: number(random),
            description: text(random, 140, "a é💸").into(),
            notes: notes(random),
            timestamp: Timestamp::from_nanos(number(random)),
            debit: after(random),
            credit: after(random),
        }
    }

    fn by_serde(links: Links, event: &Event) -> Vec<u8> {
        let mut bytes = Vec::new();
        let recording = Recording { links, event };
        postcard::serialize_with_flavor(&recording, Appending(&mut bytes)).unwrap();
        bytes
    }

    #[test]
    fn the_bytes_are_those_that_serde_makes() {
        for seed in Seeds::from_env(20_000) {
            let random = &mut StdRng::seed_from_u64(seed);
            let links = Links {
                debit_previous: number(random),
                credit_previous: number(random),
                origin: number(random),
            };
            let event = Event::Transfer(transfer(random));
            let mut bytes = b"before".to_vec();
            assert!(encode(links, &event, &mut bytes));
            assert_eq!(
                bytes.strip_prefix(b"before"),
                Some(&*by_serde(links, &event)),
                "LASTRO_SEED={seed}: {event:?}"
            );
        }
    }

    #[test]
    fn the_largest_fits() {
        let most = Some(After {
            entry_number: u64::MAX,
            balance: i64::MIN,
            credit_limit: u64::MAX,
        });
        let links = Links {
            debit_previous: u64::MAX,
            credit_previous: u64::MAX,
            origin: u64::MAX,
        };
        let event = Event::Transfer(Transfer {
            id: TransferId::from_u128(u128::MAX),
            kind: TransferKind::Transfer,
            debit_account_id: AccountId::new(&"a".repeat(64)).unwrap(),
            credit_account_id: AccountId::new(&"b".repeat(64)).unwrap(),
            amount: u64::MAX,
            description: "💸".repeat(140).into(),
            notes: largest_notes(),
            timestamp: Timestamp::from_nanos(u64::MAX),
            debit: most,
            credit: most,
        });
        let mut bytes = Vec::new();
        assert!(encode(links, &event, &mut bytes));
        assert_eq!(bytes, by_serde(links, &event));
    }

    #[test]
    fn others_are_left_to_serde() {
        let random = &mut StdRng::seed_from_u64(1);
        let transfer = Transfer {
            kind: TransferKind::Expire,
            ..transfer(random)
        };
        let mut bytes = Vec::new();
        assert!(!encode(
            Links::default(),
            &Event::Transfer(transfer),
            &mut bytes
        ));
        assert!(bytes.is_empty());
    }
}
