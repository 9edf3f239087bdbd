//! What callers over a Unix socket name as their authority: a path.
//!
//! Python's grpcio and `grpcurl` send the socket's path, as it is or percent-encoded, as
//! `:authority`. That is no authority, and the library ends the stream for it. Over a Unix socket
//! nobody looks at it: its characters are replaced while the bytes pass, as many by as many, so
//! that no frame changes its length. A value in Huffman's code becomes as many plain characters:
//! fewer than it stands for, so our table of header fields forgets no earlier than the caller's.
//!
//! One look at each byte of a header block; the bytes of messages are jumped over.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const NAME: &[u8] = b":authority";
/// The place of `:authority` in HPACK's static table.
const NAME_INDEX: u8 = 1;
const PREFACE_BYTES: usize = 24;
const FRAME_HEAD_BYTES: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
const HUFFMAN: u8 = 0x80;

/// A stream whose caller's authority is replaced.
pub(super) struct WithoutAuthority<S> {
    stream: S,
    frames: Frames,
}

impl<S> WithoutAuthority<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            frames: Frames::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WithoutAuthority<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = read {
            this.frames.pass(&mut buffer.filled_mut()[before..]);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WithoutAuthority<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Where in the frames the bytes are, and where in a header block.
#[derive(Debug)]
struct Frames {
    at: At,
    block: Block,
}

#[derive(Debug)]
enum At {
    /// So many bytes that are of no interest; then a frame's head.
    Skipped(usize),
    /// A frame's head, of which so many bytes have come.
    Head([u8; FRAME_HEAD_BYTES], usize),
    /// What stands before a header block in a frame with so many bytes left.
    Before(Before, usize),
    /// So many bytes of a header block, and so many of padding behind it.
    Block(usize, usize),
}

#[derive(Debug, Clone, Copy)]
struct Before {
    /// The padding's length is still to come.
    is_padded: bool,
    /// So are so many bytes about priority.
    priority: usize,
    padding: usize,
}

impl Frames {
    const fn new() -> Self {
        Self {
            at: At::Skipped(PREFACE_BYTES),
            block: Block::Start,
        }
    }

    fn pass(&mut self, bytes: &mut [u8]) {
        let mut index = 0;
        while index < bytes.len() {
            match &mut self.at {
                At::Skipped(0) => self.at = At::Head([0; FRAME_HEAD_BYTES], 0),
                At::Skipped(left) => {
                    let count = (*left).min(bytes.len() - index);
                    *left -= count;
                    index += count;
                }
                At::Head(head, count) => {
                    head[*count] = bytes[index];
                    *count += 1;
                    index += 1;
                    if *count == FRAME_HEAD_BYTES {
                        let head = *head;
                        self.begin(head);
                    }
                }
                At::Before(before, left) => {
                    let (mut before, left) = (*before, *left - 1);
                    if before.is_padded {
                        before.is_padded = false;
                        before.padding = usize::from(bytes[index]);
                    } else {
                        before.priority -= 1;
                    }
                    index += 1;
                    self.at = Self::before(before, left);
                }
                At::Block(left, padding) => {
                    self.block.pass(&mut bytes[index]);
                    *left -= 1;
                    index += 1;
                    if *left == 0 {
                        self.at = At::Skipped(*padding);
                    }
                }
            }
        }
    }

    fn begin(&mut self, head: [u8; FRAME_HEAD_BYTES]) {
        let [high, middle, low, kind, flags, ..] = head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let before = |flags: u8| Before {
            is_padded: flags & PADDED != 0,
            priority: if flags & PRIORITY != 0 { 5 } else { 0 },
            padding: 0,
        };
        self.at = match kind {
            HEADERS => {
                self.block = Block::Start;
                Self::before(before(flags), length)
            }
            CONTINUATION => Self::before(before(0), length),
            _ => At::Skipped(length),
        };
    }

    const fn before(before: Before, left: usize) -> At {
        if left == 0 {
            At::Skipped(0)
        } else if before.is_padded || before.priority > 0 {
            At::Before(before, left)
        } else if before.padding < left {
            At::Block(left - before.padding, before.padding)
        } else {
            At::Skipped(left)
        }
    }
}

/// Where in a header block the bytes are: fields one after the other, each with integers and texts.
#[derive(Debug, Clone, Copy)]
enum Block {
    /// A field's first byte.
    Start,
    /// The rest of an integer; a value may come behind it.
    Integer { value_follows: bool },
    /// A text's first byte.
    Text(Role),
    /// The rest of a text's length.
    Length {
        bytes: usize,
        shift: u32,
        role: Role,
    },
    /// So many bytes of a text.
    Within(usize, Role),
}

#[derive(Debug, Clone, Copy)]
enum Role {
    /// A name, which is as far as this one begins with `:authority`.
    Name(Option<usize>),
    Value,
    Authority,
}

impl Block {
    fn pass(&mut self, byte: &mut u8) {
        *self = match *self {
            Self::Start => Self::field(*byte),
            Self::Integer { value_follows } => match (*byte & 0x80 != 0, value_follows) {
                (true, _) => return,
                (false, true) => Self::Text(Role::Value),
                (false, false) => Self::Start,
            },
            Self::Text(role) => {
                let role = match role {
                    Role::Authority => {
                        *byte &= !HUFFMAN;
                        role
                    }
                    Role::Name(_) if *byte & HUFFMAN != 0 => Role::Name(None),
                    Role::Name(_) | Role::Value => role,
                };
                match usize::from(*byte & 0x7f) {
                    0x7f => Self::Length {
                        bytes: 0x7f,
                        shift: 0,
                        role,
                    },
                    bytes => Self::within(bytes, role),
                }
            }
            Self::Length { bytes, shift, role } => {
                let more = usize::from(*byte & 0x7f).checked_shl(shift);
                // Too large for any block: the library refuses it.
                let bytes = bytes.saturating_add(more.unwrap_or(usize::MAX));
                if *byte & 0x80 != 0 {
                    let shift = shift.saturating_add(7);
                    Self::Length { bytes, shift, role }
                } else {
                    Self::within(bytes, role)
                }
            }
            Self::Within(left, role) => {
                let role = match role {
                    Role::Name(Some(index)) if NAME.get(index) == Some(byte) => {
                        Role::Name(Some(index + 1))
                    }
                    Role::Name(_) => Role::Name(None),
                    Role::Value => Role::Value,
                    Role::Authority => {
                        *byte = b'x';
                        Role::Authority
                    }
                };
                Self::within(left - 1, role)
            }
        };
    }

    const fn field(byte: u8) -> Self {
        let (prefix, value_follows) = match byte {
            0x80.. => (0x7f, false),
            0x40..0x80 => (0x3f, true),
            0x20..0x40 => (0x1f, false),
            ..0x20 => (0x0f, true),
        };
        let integer = byte & prefix;
        if integer == prefix {
            return Self::Integer { value_follows };
        }
        match (value_follows, integer) {
            (false, _) => Self::Start,
            (true, 0) => Self::Text(Role::Name(Some(0))),
            (true, NAME_INDEX) => Self::Text(Role::Authority),
            (true, _) => Self::Text(Role::Value),
        }
    }

    fn within(bytes_left: usize, role: Role) -> Self {
        match (bytes_left, role) {
            (0, Role::Name(Some(index))) if index == NAME.len() => Self::Text(Role::Authority),
            (0, Role::Name(_)) => Self::Text(Role::Value),
            (0, Role::Value | Role::Authority) => Self::Start,
            (bytes_left, role) => Self::Within(bytes_left, role),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.extend(payload);
        frame
    }

    /// However the bytes are cut into pieces, they come out as expected.
    #[track_caller]
    fn check(frames: &[Vec<u8>], expected: &[Vec<u8>]) {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let bytes = [std::slice::from_ref(&preface), frames].concat().concat();
        let expected = [&[preface], expected].concat().concat();
        for piece in [1, 2, 3, 7, 16, bytes.len()] {
            let mut passed = bytes.clone();
            let mut filter = Frames::new();
            for piece in passed.chunks_mut(piece) {
                filter.pass(piece);
            }
            assert_eq!(passed, expected, "in pieces of {piece}");
        }
    }

    fn block(authority: &[u8]) -> Vec<u8> {
        // `:method: POST`, a long name and value, the authority, an indexed field of two bytes.
        let long = [&[0x7f, 0x09, 0x7f, 0x04][..], &[b'/'; 131]].concat();
        [&[0x83][..], &long, authority, &[0xff, 0x00]].concat()
    }

    #[test]
    fn an_authority_is_replaced_wherever_it_stands() {
        let named = [&[0x40, 10][..], NAME, b"\x04/a/b"].concat();
        let replaced = [&[0x40, 10][..], NAME, b"\x04xxxx"].concat();
        for (given, expected) in [
            (&b"\x41\x04/a/b"[..], &b"\x41\x04xxxx"[..]),
            (b"\x01\x04%2Fa", b"\x01\x04xxxx"),
            (b"\x11\x84\xff\xff\xff\xff", b"\x11\x04xxxx"),
            (b"\x41\x00", b"\x41\x00"),
            (&named, &replaced),
            // Other names that begin or end like it.
            (b"\x40\x02:a\x02/a", b"\x40\x02:a\x02/a"),
            (b"\x40\x0b:authorityx\x02/a", b"\x40\x0b:authorityx\x02/a"),
            (b"\x44\x02/a", b"\x44\x02/a"),
        ] {
            let (given, expected) = (block(given), block(expected));
            let data = frame(0, 0, b"\x41\x04/a/b");
            check(
                &[
                    frame(HEADERS, 4, &given),
                    data.clone(),
                    frame(HEADERS, 4, &given),
                ],
                &[
                    frame(HEADERS, 4, &expected),
                    data,
                    frame(HEADERS, 4, &expected),
                ],
            );
            let padded = |block: &[u8]| {
                let payload = [&[3, 0, 0, 0, 0, 9], block, &[0x41, 1, b'/']].concat();
                frame(HEADERS, 4 | PADDED | PRIORITY, &payload)
            };
            check(&[padded(&given)], &[padded(&expected)]);
            let continued = |block: &[u8]| {
                let (first, second) = block.split_at(block.len() - 6);
                [frame(HEADERS, 0, first), frame(CONTINUATION, 4, second)].concat()
            };
            check(&[continued(&given)], &[continued(&expected)]);
        }
    }
}
