//! One segment of the walk: its frames, their records, and what lies after them.

use std::io;

use super::{Ending, Visited, Walked};
use crate::address::Address;
use crate::error::OpenError;
use crate::format::{
    FRAME_HEADER_BYTES, FrameInfo, RECORD_HEADER_BYTES, RecordAt, SEGMENT_HEADER_BYTES, Seal,
    frame_is_whole, record_at,
};
use crate::head::Head;
use crate::storage::StorageFile;
use crate::tail;
use crate::window::Window;

/// One segment on the walk.
pub(crate) struct Segment<'a, F> {
    pub(crate) name: &'a str,
    pub(crate) number: u64,
    pub(crate) last: bool,
    pub(crate) live: bool,
    pub(crate) file: &'a F,
}

impl<F: StorageFile> Segment<'_, F> {
    /// Walks the segment as far as whole frames go, and tells what comes after them.
    pub(crate) fn walk<E>(
        &mut self,
        walked: &mut Walked,
        visit: &mut impl FnMut(Visited<'_>) -> Result<(), E>,
    ) -> Result<(), OpenError<E>> {
        let header = self.header(walked)?;
        walked.offset = SEGMENT_HEADER_BYTES as u64;
        let Some(header) = header else { return Ok(()) };
        let seal = walked
            .seal
            .get_or_insert_with(|| Seal::new(header.id))
            .clone();
        walked.segment_bytes = header.segment_bytes;
        let mut window = Window::new(self.file, header.segment_bytes);
        loop {
            self.frames(&mut window, &seal, walked, visit)?;
            let (offset, next) = (walked.offset, walked.head.sequence + 1);
            let rest = tail::search(self.file, &seal, offset, next).map_err(self.io("read"))?;
            match (rest.content_end, rest.frame) {
                (None, _) => return Ok(()),
                (Some(end), None) if self.last => {
                    walked.ending = Ending::Torn(end - offset);
                    return Ok(());
                }
                (Some(_), found) => {
                    // A live writer may have finished that frame after it was read.
                    window.forget();
                    let retry = self.live && self.last;
                    let frame = self.frame(&mut window, &seal, offset)?;
                    if retry && frame.is_some() {
                        continue;
                    }
                    return Err(self.damaged(offset, bad_frame(next, found)));
                }
            }
        }
    }

    /// Visits whole frames that continue the chain, up to the first that is not whole.
    fn frames<E>(
        &self,
        window: &mut Window<'_, F>,
        seal: &Seal,
        walked: &mut Walked,
        visit: &mut impl FnMut(Visited<'_>) -> Result<(), E>,
    ) -> Result<(), OpenError<E>> {
        while let Some(info) = self.frame(window, seal, walked.offset)? {
            self.check_frame(&info, walked)?;
            let bytes = window
                .get(walked.offset, info.frame_bytes())
                .map_err(self.io("read"))?;
            let bytes = bytes.expect("a frame found whole lies within its segment");
            let body = &bytes[FRAME_HEADER_BYTES..];
            self.records(seal, &info, body, walked, visit)?;
            walked.offset += info.frame_bytes();
            walked.last_frame = Some(info);
            walked.head = Head {
                sequence: info.sequence,
                hash: info.hash,
                records: info.records_before + u64::from(info.count),
            };
        }
        Ok(())
    }

    /// The frame at `offset`, if it is whole.
    fn frame<E>(
        &self,
        window: &mut Window<'_, F>,
        seal: &Seal,
        offset: u64,
    ) -> Result<Option<FrameInfo>, OpenError<E>> {
        let header = window
            .get(offset, FRAME_HEADER_BYTES as u64)
            .map_err(self.io("read"))?;
        let Some(info) = header.and_then(|header| FrameInfo::decode(seal, header)) else {
            return Ok(None);
        };
        let frame = window
            .get(offset, info.frame_bytes())
            .map_err(self.io("read"))?;
        Ok(frame
            .is_some_and(|frame| frame_is_whole(seal, frame))
            .then_some(info))
    }

    /// A whole frame must be the one that belongs here.
    fn check_frame<E>(&self, info: &FrameInfo, walked: &Walked) -> Result<(), OpenError<E>> {
        let (offset, head) = (walked.offset, &walked.head);
        let position = self.number * walked.segment_bytes + offset;
        let what = if info.address.to_u64() != position {
            format!(
                "frame {} lies here, whose own place is {}",
                info.sequence, info.address
            )
        } else if info.sequence != head.sequence + 1 {
            format!(
                "frame {} lies here, not {}",
                info.sequence,
                head.sequence + 1
            )
        } else if info.previous_hash != head.hash || info.records_before != head.records {
            format!(
                "frame {} does not continue the frame before it",
                info.sequence
            )
        } else {
            return Ok(());
        };
        Err(self.damaged(offset, what))
    }

    fn records<E>(
        &self,
        seal: &Seal,
        frame: &FrameInfo,
        body: &[u8],
        walked: &Walked,
        visit: &mut impl FnMut(Visited<'_>) -> Result<(), E>,
    ) -> Result<(), OpenError<E>> {
        let offset = walked.offset;
        let mut at = 0;
        for index_in_frame in 0..frame.count {
            let past = (FRAME_HEADER_BYTES + at) as u64;
            let address = Address::at(frame.address.to_u64() + past);
            let RecordAt::Whole(payload) = record_at(seal, address, &body[at..]) else {
                let sequence = frame.sequence;
                let what = format!("record {index_in_frame} of frame {sequence} does not check");
                return Err(self.damaged(offset + past, what));
            };
            let last_in_frame = index_in_frame + 1 == frame.count;
            visit(Visited {
                address,
                segment: self.number,
                segment_bytes: walked.segment_bytes,
                payload,
                frame,
                index_in_frame,
                last_in_frame,
            })
            .map_err(OpenError::Visit)?;
            at += RECORD_HEADER_BYTES + payload.len();
        }
        if at != body.len() {
            let what = format!("frame {} is longer than its records", frame.sequence);
            return Err(self.damaged(offset + (FRAME_HEADER_BYTES + at) as u64, what));
        }
        Ok(())
    }

    pub(super) fn io<E>(&self, doing: &'static str) -> impl FnOnce(io::Error) -> OpenError<E> {
        OpenError::io(doing, self.name)
    }

    pub(super) fn damaged<E>(&self, offset: u64, what: impl Into<String>) -> OpenError<E> {
        OpenError::damaged(self.name, offset, what)
    }
}

fn bad_frame(next: u64, found: Option<(u64, u64)>) -> String {
    match found {
        Some((offset, sequence)) => format!(
            "frame {next} does not check, and it is no torn end: frame {sequence} is whole at \
             byte {offset}"
        ),
        None => format!("bytes that are no frame where frame {next} or zeros should be"),
    }
}
