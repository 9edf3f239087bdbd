//! The embedded engine over real files and over faulty ones.

mod conformance;
mod subject;
