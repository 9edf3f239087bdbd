//! The real servers that tests start: each answers, stops, and comes back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod http;
mod postgres;
mod proxies;
mod redis;
