//! The auditor finds what is wrong.
