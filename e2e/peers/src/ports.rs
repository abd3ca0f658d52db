//! Free ports on loopback.

use std::net::TcpListener;

use anyhow::{Context, Result};

/// A port that nobody listens on now; taken at once, so two calls in a row differ.
///
/// # Errors
/// Loopback has no port to give.
pub fn free() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on loopback")?;
    Ok(listener.local_addr()?.port())
}
