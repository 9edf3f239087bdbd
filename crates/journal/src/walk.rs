//! The checked walk from the first segment to the last whole frame, shared by opening and
//! scanning. It changes nothing.

use crate::address::Address;
use crate::error::OpenError;
use crate::format::{
    FORMAT_VERSION, FRAME_HEADER_BYTES, FrameInfo, HeaderFault, RECORD_HEADER_BYTES, RecordAt,
    SEGMENT_HEADER_BYTES, Seal, SegmentHeader, frame_is_whole, record_at,
};
use crate::journal::Head;
use crate::storage::{Storage, StorageFile, read_full, segment_name, segment_number};
use crate::tail;
use crate::window::Window;

/// One record, as the walk hands it out.
#[derive(Clone, Copy, Debug)]
pub struct Visited<'a> {
    /// Where it lies.
    pub address: Address,
    /// Its bytes.
    pub payload: &'a [u8],
    /// The frame it was committed in.
    pub frame: &'a FrameInfo,
    /// 0 for the frame's first record.
    pub index_in_frame: u32,
    /// Whether it is the frame's last record.
    pub last_in_frame: bool,
}

/// What lies after the last whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Zeros.
    Clean,
    /// A torn write of that many bytes.
    Torn(u64),
    /// The last segment has no header yet, or a torn one of that many bytes.
    NoHeader(u64),
}

/// Where the walk ended.
#[derive(Debug)]
pub(crate) struct Walked {
    /// The journal's identity; `None` if it has no segment with a header yet.
    pub(crate) seal: Option<Seal>,
    pub(crate) segment_bytes: u64,
    /// Number of segment files.
    pub(crate) segments: u64,
    pub(crate) head: Head,
    pub(crate) last_frame: Option<FrameInfo>,
    /// End of the last whole frame, in the last segment.
    pub(crate) offset: u64,
    pub(crate) ending: Ending,
}

impl Walked {
    /// The last segment's number.
    pub(crate) fn last_segment(&self) -> u64 {
        self.segments.saturating_sub(1)
    }
}

/// Walks all segments. `live`: a writer may be appending meanwhile.
pub(crate) fn walk<S: Storage, E>(
    storage: &S,
    live: bool,
    mut visit: impl FnMut(Visited<'_>) -> Result<(), E>,
) -> Result<Walked, OpenError<E>> {
    let segments = count_segments(storage)?;
    let mut walked = Walked {
        seal: None,
        segment_bytes: 0,
        segments,
        head: Head::default(),
        last_frame: None,
        offset: 0,
        ending: Ending::Clean,
    };
    for number in 0..segments {
        let name = segment_name(number);
        let file = storage
            .open_read_only(&name)
            .map_err(OpenError::io("open", &name))?;
        let last = number + 1 == segments;
        let mut segment = Segment {
            name: &name,
            number,
            last,
            live,
            file: &file,
        };
        segment.walk(&mut walked, &mut visit)?;
    }
    Ok(walked)
}

/// How many segments there are; they must be numbered from 0 without a gap.
fn count_segments<S: Storage, E>(storage: &S) -> Result<u64, OpenError<E>> {
    let names = storage
        .list()
        .map_err(OpenError::io("list", &storage.place()))?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| segment_number(name))
        .collect();
    numbers.sort_unstable();
    for (expected, number) in (0..).zip(&numbers) {
        if *number != expected {
            let what = format!(
                "the file is missing, though {} is there",
                segment_name(*number)
            );
            return Err(OpenError::damaged(&segment_name(expected), 0, what));
        }
    }
    Ok(numbers.len() as u64)
}

/// One segment on the walk.
struct Segment<'a, F> {
    name: &'a str,
    number: u64,
    last: bool,
    live: bool,
    file: &'a F,
}

impl<F: StorageFile> Segment<'_, F> {
    fn walk<E>(
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

    /// The segment's header, checked against the walk so far; `None` if the segment is the last
    /// and its header was never durable.
    fn header<E>(&self, walked: &mut Walked) -> Result<Option<SegmentHeader>, OpenError<E>> {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let filled = read_full(self.file, &mut bytes, 0).map_err(self.io("read"))?;
        let size = self.file.size().map_err(self.io("read"))?;
        if filled < bytes.len() {
            return Err(self.damaged(filled as u64, "the file ends before its header does"));
        }
        let mut decoded = SegmentHeader::decode(&bytes);
        if decoded.is_err() && self.last {
            if self.is_zero_after_header().map_err(self.io("read"))? {
                return self.no_header(&bytes, size, walked);
            }
            // A live writer may have written the header, and more, after it was read.
            read_full(self.file, &mut bytes, 0).map_err(self.io("read"))?;
            decoded = SegmentHeader::decode(&bytes);
        }
        let header = match decoded {
            Ok(header) => header,
            Err(HeaderFault::Version(found)) => {
                let file = self.name.to_owned();
                return Err(OpenError::Version {
                    file,
                    found,
                    supported: FORMAT_VERSION,
                });
            }
            Err(HeaderFault::Checksum) => {
                return Err(self.damaged(0, "the segment's header does not check"));
            }
        };
        if header.number != self.number {
            let what = format!("its header says that it is segment {}", header.number);
            return Err(self.damaged(16, what));
        }
        self.check_size(size, header.segment_bytes, walked)?;
        self.check_chain(&header, walked)?;
        Ok(Some(header))
    }

    /// A header that does not check, with nothing after it: it was never durable.
    fn no_header<E>(
        &self,
        bytes: &[u8; SEGMENT_HEADER_BYTES],
        size: u64,
        walked: &mut Walked,
    ) -> Result<Option<SegmentHeader>, OpenError<E>> {
        if let Err(HeaderFault::Version(found)) = SegmentHeader::decode(bytes) {
            let file = self.name.to_owned();
            return Err(OpenError::Version {
                file,
                found,
                supported: FORMAT_VERSION,
            });
        }
        if walked.seal.is_some() {
            self.check_size(size, walked.segment_bytes, walked)?;
        }
        let torn = tail::last_non_zero(bytes).map_or(0, |index| index as u64 + 1);
        walked.ending = Ending::NoHeader(torn);
        Ok(None)
    }

    fn is_zero_after_header(&self) -> std::io::Result<bool> {
        // Any identity serves: only the zeros are asked for.
        let seal = Seal::new(crate::format::JournalId([0; 16]));
        let from = SEGMENT_HEADER_BYTES as u64;
        Ok(tail::search(self.file, &seal, from, u64::MAX)?
            .content_end
            .is_none())
    }

    fn check_size<E>(
        &self,
        size: u64,
        segment_bytes: u64,
        walked: &Walked,
    ) -> Result<(), OpenError<E>> {
        if walked.seal.is_some() && segment_bytes != walked.segment_bytes {
            let first = walked.segment_bytes;
            let what = format!("its segment size is {segment_bytes}, the journal's is {first}");
            return Err(self.damaged(24, what));
        }
        if size != segment_bytes {
            let what = format!("the file has {size} bytes, a segment has {segment_bytes}");
            return Err(self.damaged(size.min(segment_bytes), what));
        }
        Ok(())
    }

    fn check_chain<E>(&self, header: &SegmentHeader, walked: &Walked) -> Result<(), OpenError<E>> {
        if walked
            .seal
            .as_ref()
            .is_some_and(|seal| seal.id != header.id)
        {
            let what = format!("it belongs to another journal, {}", header.id);
            return Err(self.damaged(32, what));
        }
        let head = &walked.head;
        let next = head.sequence + 1;
        if header.first_sequence > next && self.number > 0 {
            let what = format!(
                "frames {next} to {} are missing: the next segment begins after them",
                header.first_sequence - 1
            );
            let before = segment_name(self.number - 1);
            return Err(OpenError::damaged(&before, walked.offset, what));
        }
        if header.first_sequence != next {
            let what = format!("it begins with frame {}, not {next}", header.first_sequence);
            return Err(self.damaged(48, what));
        }
        if header.previous_hash != head.hash || header.records_before != head.records {
            return Err(self.damaged(56, "it does not continue the segment before it"));
        }
        Ok(())
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
            let body = &bytes.unwrap_or_default()[FRAME_HEADER_BYTES..];
            self.records(seal, &info, body, walked.offset, visit)?;
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
        offset: u64,
        visit: &mut impl FnMut(Visited<'_>) -> Result<(), E>,
    ) -> Result<(), OpenError<E>> {
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

    fn io<E>(&self, doing: &'static str) -> impl FnOnce(std::io::Error) -> OpenError<E> {
        OpenError::io(doing, self.name)
    }

    fn damaged<E>(&self, offset: u64, what: impl Into<String>) -> OpenError<E> {
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
