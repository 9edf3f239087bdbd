//! The journal from the outside: real files, and the storage double that loses and tears.

mod files;
