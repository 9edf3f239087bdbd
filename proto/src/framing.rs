//! How gRPC frames a message: a byte that says whether it is compressed, four of its length, then the
//! message.

/// The bytes in front of a message.
pub const PREFIX_BYTES: usize = 5;

/// What a prefix says of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// So many bytes follow.
    Plain {
        /// The message's length in bytes.
        length: usize,
    },
    /// The message is compressed, which no side here accepts.
    Compressed,
}

impl Prefix {
    /// Reads a prefix.
    #[must_use]
    pub const fn read(prefix: [u8; PREFIX_BYTES]) -> Self {
        let [flag, a, b, c, d] = prefix;
        match flag {
            0 => Self::Plain {
                length: u32::from_be_bytes([a, b, c, d]) as usize,
            },
            _ => Self::Compressed,
        }
    }
}

/// Begins a message: room for its prefix, which [`finish_frame`] fills in.
#[must_use]
pub fn begin_frame() -> Vec<u8> {
    vec![0; PREFIX_BYTES]
}

/// Fills in the prefix of a message that [`begin_frame`] began and that is whole.
///
/// # Panics
///
/// If the message has 4 GiB or more, or was not begun: every message here has a bound far below.
pub fn finish_frame(frame: &mut [u8]) {
    let (prefix, message) = frame.split_at_mut(PREFIX_BYTES);
    let length = u32::try_from(message.len()).expect("each message is bounded far below 4 GiB");
    prefix[0] = 0;
    prefix[1..].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_read_as_it_was_written() {
        for length in [0, 1, 255, 256, 70_000] {
            let mut frame = begin_frame();
            frame.resize(PREFIX_BYTES + length, 7);
            finish_frame(&mut frame);
            let prefix = *frame.first_chunk().unwrap();
            assert_eq!(Prefix::read(prefix), Prefix::Plain { length });
        }
        assert_eq!(
            Prefix::read([0, 0xff, 0, 0, 1]),
            Prefix::Plain {
                length: 0xff00_0001
            }
        );
        assert_eq!(Prefix::read([1, 0, 0, 0, 0]), Prefix::Compressed);
    }
}
