//! What the client sends again and what it fails with, against a server that follows a script.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod reads;
mod script;
mod writes;
