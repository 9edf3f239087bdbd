//! Lastro's gRPC definitions (`lastro/v1/ledger.proto`), and the way between them and the
//! ledger's own types.
//!
//! [`v1`] is generated. The conversions lose nothing; what a message may say and the ledger's types
//! cannot is [`Invalid`]. [`submit`] writes and reads the messages of the write entrance. [`Method`] has
//! the paths, [`Prefix`] the framing of messages.
//!
//! **Architecture Invariant:** no I/O and no rules: bytes and types only.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

mod account;
mod batch;
mod by;
mod command;
mod deadline;
mod event;
mod fields;
mod framing;
mod lists;
mod method;
mod notes;
mod outcome;
mod payment;
mod reads;
mod refusal;
mod resolution;
pub mod submit;
mod transfer;
mod unavailable;
mod unsettled;
#[expect(
    missing_docs,
    reason = "generated; its documentation is the definition's"
)]
#[cfg_attr(
    feature = "client",
    expect(
        unused_qualifications,
        clippy::allow_attributes_without_reason,
        reason = "generated"
    )
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/lastro.v1.rs"));
}
mod wire;

pub use deadline::{DEADLINE_HEADER, read_deadline, write_deadline};
pub use fields::Invalid;
pub use framing::{PREFIX_BYTES, Prefix, begin_frame, finish_frame};
pub use method::{Method, SERVICE, is_of_service};
pub use prost::Message;
/// The header of a call with the traces of the requests that it is for, beyond the first: that one is in
/// `traceparent`. Each value is like one of `traceparent`; there are commas between them.
pub const TRACES_HEADER: &str = "lastro-traceparents";

pub use unavailable::{CODE_TRAILER, CallFailure, GrpcCode};

/// The definitions as a compiled `FileDescriptorSet`, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
