//! Whatever a crash leaves behind the last whole batch of a segment is cut off at the next start; what
//! stands before it is all there, and the log goes on from its end.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use millrace_e2e::broker::Broker;
use millrace_e2e::client::Client;
use millrace_e2e::dump::Dump;
use millrace_e2e::group::{Feeder, Told};
use millrace_e2e::stored;
use millrace_peers::toolchain::Toolchain;

const TOPIC: &str = "torn";
const RECORDS: usize = 500;

/// Harm to the file of a stopped broker; gives how many records of it are still whole.
type Harm = fn(&Path) -> Result<usize>;

fn append(path: &Path, bytes: &[u8]) -> Result<usize> {
    File::options().append(true).open(path)?.write_all(bytes)?;
    Ok(RECORDS)
}

fn rubbish_behind(path: &Path) -> Result<usize> {
    let rubbish: Vec<u8> = (0..1000_u32).map(|i| (i * 31 % 251).to_le_bytes()[0]).collect();
    append(path, &rubbish)
}

fn zeros_behind(path: &Path) -> Result<usize> {
    append(path, &[0; 4096])
}

/// The start of a batch that would come next, as a torn write leaves it.
fn half_a_batch_behind(path: &Path) -> Result<usize> {
    let first = stored::batches(path)?.first().copied().context("no batch")?;
    let mut bytes = fs::read(path)?[..first.size].to_vec();
    bytes[..8].copy_from_slice(&i64::try_from(RECORDS)?.to_be_bytes());
    bytes.truncate(first.size - 10);
    append(path, &bytes)
}

/// A whole batch that would come next, but with a bit turned over in its records.
fn broken_batch_behind(path: &Path) -> Result<usize> {
    let first = stored::batches(path)?.first().copied().context("no batch")?;
    let mut bytes = fs::read(path)?[..first.size].to_vec();
    bytes[..8].copy_from_slice(&i64::try_from(RECORDS)?.to_be_bytes());
    bytes[first.size - 5] ^= 4;
    append(path, &bytes)
}

/// The last batch loses its last bytes: a power cut took what had not been synced.
fn last_batch_cut(path: &Path) -> Result<usize> {
    let last = stored::batches(path)?.last().copied().context("no batch")?;
    let end = u64::try_from(last.position + last.size - 7)?;
    File::options().write(true).open(path)?.set_len(end)?;
    Ok(usize::try_from(last.base_offset)?)
}

/// A bit turns over in the last batch.
fn last_batch_garbled(path: &Path) -> Result<usize> {
    let last = stored::batches(path)?.last().copied().context("no batch")?;
    let mut bytes = fs::read(path)?;
    bytes[last.position + last.size - 5] ^= 4;
    fs::write(path, bytes)?;
    Ok(usize::try_from(last.base_offset)?)
}

fn feed(bootstrap: &str, first: usize, count: usize) -> Result<Vec<Told>> {
    let mut feeder =
        Feeder::start(Client::ConfluentKafka, bootstrap, TOPIC, &["linger-ms=0", "pad=100"])?;
    for number in first..first + count {
        feeder.send(0, &format!("value-{number}"))?;
        // Small batches: a tail that is torn must not hold everything.
        if number % 20 == 0 {
            feeder.settle(Duration::from_secs(20))?;
        }
    }
    feeder.settle(Duration::from_secs(20))?;
    Ok(feeder.acked.clone())
}

fn check(name: &str, harm: Harm) -> Result<()> {
    if !Toolchain::Python.is_here_for(&format!("torn tail: {name}")) {
        return Ok(());
    }
    let mut broker = Broker::start()?;
    let acked = feed(&broker.bootstrap(), 0, RECORDS)?;
    broker.kill()?;
    let segment = stored::last_segment(broker.log_dir(), TOPIC, 0)?;
    let whole = harm(&segment).with_context(|| segment.display().to_string())?;
    ensure!(whole > RECORDS / 2, "only {whole} records would be left");
    broker.restart()?;
    let dump = Dump::read(&broker.bootstrap(), TOPIC, 1)?;
    dump.check(&acked[..whole])?;
    ensure!(
        dump.records.len() == whole && dump.bounds[&0] == (0, i64::try_from(whole)?),
        "{whole} whole records, but {} read, bounds {:?}",
        dump.records.len(),
        dump.bounds
    );
    // The log goes on where it now ends, also after a second start.
    let more = feed(&broker.bootstrap(), 1000, 100)?;
    ensure!(more[0].1 == i64::try_from(whole)?, "the next offset is {}", more[0].1);
    broker.kill()?;
    broker.restart()?;
    let dump = Dump::read(&broker.bootstrap(), TOPIC, 1)?;
    dump.check(&[&acked[..whole], &more[..]].concat())
}

#[test]
fn rubbish_behind_the_last_batch_is_cut_off() -> Result<()> {
    check("rubbish", rubbish_behind)
}

#[test]
fn zeros_behind_the_last_batch_are_cut_off() -> Result<()> {
    check("zeros", zeros_behind)
}

#[test]
fn half_a_batch_is_cut_off() -> Result<()> {
    check("half a batch", half_a_batch_behind)
}

#[test]
fn a_broken_batch_behind_the_last_one_is_cut_off() -> Result<()> {
    check("broken batch", broken_batch_behind)
}

#[test]
fn a_last_batch_that_lost_its_end_is_cut_off() -> Result<()> {
    check("last batch cut", last_batch_cut)
}

#[test]
fn a_last_batch_with_a_wrong_checksum_is_cut_off() -> Result<()> {
    check("last batch garbled", last_batch_garbled)
}
