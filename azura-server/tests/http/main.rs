//! The server over HTTP: one program, since each one links everything anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../common/mod.rs"]
mod common;

mod browser;
mod dashboard;
mod document;
mod experiments;
mod guarding;
mod nesting;
mod security_document;
mod streams;
mod tls;
mod watching;
