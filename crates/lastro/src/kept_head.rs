//! A journal's head as it is printed, kept elsewhere, and given back: `SEQUENCE:HASH`.

use std::fmt;
use std::str::FromStr;

use anyhow::Context;
use journal::{Hash, Head};

/// Which frame was the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeptHead {
    pub(crate) sequence: u64,
    pub(crate) hash: Hash,
}

impl From<Head> for KeptHead {
    fn from(head: Head) -> Self {
        Self {
            sequence: head.sequence,
            hash: head.hash,
        }
    }
}

impl fmt::Display for KeptHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl FromStr for KeptHead {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let parts = text.trim().split_once(':');
        let (sequence, hash) =
            parts.context("a head is SEQUENCE:HASH, as `lastro verify` prints it")?;
        let sequence = sequence.parse();
        Ok(Self {
            sequence: sequence.context("the sequence before the colon is not a number")?,
            hash: hash.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_prints() {
        let head = KeptHead {
            sequence: 12,
            hash: Hash([0xAB; 32]),
        };
        assert_eq!(head.to_string().parse::<KeptHead>().unwrap(), head);
        for text in ["", "12", "x:ab", "12:ab"] {
            assert!(text.parse::<KeptHead>().is_err(), "{text}");
        }
    }
}
