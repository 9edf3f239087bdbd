//! Parsing an answer from the bytes received so far.

use super::HttpFailure;

/// The longest answer, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

const HEADERS_MAX: usize = 64;

/// A whole answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The body, without its framing.
    pub body: &'a [u8],
}

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilClosed,
}

/// An answer's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) bytes: usize,
    pub(super) framing: Framing,
    /// Whether the server keeps the connection open.
    pub(super) keeps_alive: bool,
}

/// Reads the head; `None` while it is not complete.
pub(super) fn parse_head(received: &[u8]) -> Result<Option<Head>, HttpFailure> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let bytes = match response.parse(received) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(HttpFailure::Malformed),
    };
    let status = response.code.ok_or(HttpFailure::Malformed)?;
    let mut framing = match status {
        100..=199 | 204 | 304 => Framing::Length(0),
        _ => Framing::UntilClosed,
    };
    let mut keeps_alive = response.version == Some(1);
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(header.value)
                .ok()
                .and_then(|text| text.trim().parse().ok());
            framing = Framing::Length(length.ok_or(HttpFailure::Malformed)?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            keeps_alive = !header.value.eq_ignore_ascii_case(b"close");
        }
    }
    if framing == Framing::UntilClosed {
        keeps_alive = false;
    }
    Ok(Some(Head {
        status,
        bytes,
        framing,
        keeps_alive,
    }))
}

/// Takes a chunked body apart into `body`; `false` while its end is not there.
pub(super) fn parse_chunks(mut received: &[u8], body: &mut Vec<u8>) -> Result<bool, HttpFailure> {
    body.clear();
    loop {
        let (start, size) = match httparse::parse_chunk_size(received) {
            Ok(httparse::Status::Complete((start, size))) => (start, size),
            Ok(httparse::Status::Partial) => return Ok(false),
            Err(_) => return Err(HttpFailure::Malformed),
        };
        let size = usize::try_from(size).map_err(|_| HttpFailure::Malformed)?;
        if size > ANSWER_BYTES_MAX {
            return Err(HttpFailure::Malformed);
        }
        let Some(rest) = received.get(start..) else {
            return Ok(false);
        };
        if rest.len() < size + 2 {
            return Ok(false);
        }
        if size == 0 {
            // Trailers are not read: no server of a load sends any.
            return if rest.starts_with(b"\r\n") {
                Ok(true)
            } else {
                Err(HttpFailure::Malformed)
            };
        }
        body.extend_from_slice(&rest[..size]);
        received = &rest[size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let head = |text: &str| parse_head(text.as_bytes());
        let complete = head("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
            .unwrap()
            .unwrap();
        assert_eq!(
            complete,
            Head {
                status: 200,
                bytes: 38,
                framing: Framing::Length(5),
                keeps_alive: true
            }
        );
        assert_eq!(head("HTTP/1.1 200 OK\r\ncontent-le"), Ok(None));
        assert_eq!(head("SMTP\r\n\r\n"), Err(HttpFailure::Malformed));
        assert_eq!(
            head("HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n"),
            Err(HttpFailure::Malformed)
        );
        let closed = head("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        assert!(!closed.unwrap().unwrap().keeps_alive);
        let unframed = head("HTTP/1.1 200 OK\r\n\r\n").unwrap().unwrap();
        assert_eq!(unframed.framing, Framing::UntilClosed);
        assert!(!unframed.keeps_alive);
        let old = head("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        assert!(!old.unwrap().keeps_alive);
    }

    #[test]
    fn chunks_are_joined_when_the_last_is_there() {
        let whole = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        let mut body = Vec::new();
        for cut in 0..whole.len() {
            assert_eq!(parse_chunks(&whole[..cut], &mut body), Ok(false), "{cut}");
        }
        assert_eq!(parse_chunks(whole, &mut body), Ok(true));
        assert_eq!(body, b"hello world");
        assert_eq!(
            parse_chunks(b"x\r\n", &mut body),
            Err(HttpFailure::Malformed)
        );
    }
}
