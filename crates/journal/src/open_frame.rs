//! The frame being gathered, in a buffer that is used again.

use crate::address::Address;
use crate::format::{FRAME_HEADER_BYTES, RECORD_HEADER_BYTES, Seal, payload_length, seal_record};

/// A frame in memory: room for its header, then its records.
pub(crate) struct OpenFrame {
    bytes: Vec<u8>,
    count: u32,
    /// Global position of the frame's first byte.
    start: u64,
    /// How long the frame may get, header included.
    bytes_max: usize,
    begun: bool,
}

impl OpenFrame {
    pub(crate) fn new(start: u64, bytes_max: usize) -> Self {
        Self {
            bytes: vec![0; FRAME_HEADER_BYTES],
            count: 0,
            start,
            bytes_max,
            begun: false,
        }
    }

    /// Takes the frame away and leaves an empty one, which goes on in `buffer`.
    pub(crate) fn take(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        let taken = std::mem::replace(&mut self.bytes, buffer);
        self.bytes.resize(FRAME_HEADER_BYTES, 0);
        self.count = 0;
        self.begun = false;
        taken
    }

    /// Empties the frame and moves it to another place.
    pub(crate) fn reset(&mut self, start: u64, bytes_max: usize) {
        self.bytes.truncate(FRAME_HEADER_BYTES);
        self.count = 0;
        self.start = start;
        self.bytes_max = bytes_max;
        self.begun = false;
    }

    /// Room was made: records may be pushed.
    pub(crate) fn begin(&mut self) {
        self.begun = true;
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(crate) fn address(&self) -> Address {
        Address::at(self.start)
    }

    pub(crate) fn next_address(&self) -> Address {
        Address::at(self.start + self.bytes.len() as u64)
    }

    pub(crate) fn fits(&self, payload_bytes: usize, records: usize) -> bool {
        grown(self.bytes.len(), payload_bytes, records) <= self.bytes_max
    }

    pub(crate) fn push(&mut self, seal: &Seal, write: impl FnOnce(&mut Vec<u8>)) -> Address {
        assert!(self.begun, "records are pushed after `begin` made room");
        let address = self.next_address();
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
        write(&mut self.bytes);
        let end = self.bytes.len();
        assert!(
            end >= at + RECORD_HEADER_BYTES,
            "a record's writer only appends"
        );
        assert!(
            end <= self.bytes_max,
            "a frame of {end} bytes: `fits` says what it can take"
        );
        seal_record(seal, address, &mut self.bytes[at..]);
        self.count += 1;
        address
    }

    pub(crate) fn pushed(&self, address: Address) -> Option<&[u8]> {
        payload_at(&self.bytes, self.start, address)
    }
}

/// The payload of the record at `address` in a frame that begins at `start`; `None` past its ends.
pub(crate) fn payload_at(frame: &[u8], start: u64, address: Address) -> Option<&[u8]> {
    let at = usize::try_from(address.to_u64().checked_sub(start)?).ok()?;
    if at < FRAME_HEADER_BYTES {
        return None;
    }
    let record = frame.get(at..)?;
    let payload = record.get(RECORD_HEADER_BYTES..)?;
    payload.get(..payload_length(record))
}

/// The length that a frame of `bytes` has after this is added to it; saturates.
pub(crate) fn grown(bytes: usize, payload_bytes: usize, records: usize) -> usize {
    bytes
        .saturating_add(payload_bytes)
        .saturating_add(records.saturating_mul(RECORD_HEADER_BYTES))
}
