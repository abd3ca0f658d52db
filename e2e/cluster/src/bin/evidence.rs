//! `evidence NAME NAMESPACE...`: keeps what is there in `target/e2e/NAME`, as a failed test does.

use anyhow::{Context, Result};
use millrace_e2e_cluster::evidence;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (name, namespaces) = words.split_first().context("usage: evidence NAME NAMESPACE...")?;
    let namespaces: Vec<&str> = namespaces.iter().map(String::as_str).collect();
    evidence::collect(name, &namespaces).map(drop)
}
