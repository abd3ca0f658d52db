//! Records on the command line, where no other client is at hand, such as in a broker's own pod:
//! `produce` and `consume`, and `try`, which does both to see whether a cluster serves.

mod client;

use std::io::{self, BufRead as _, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Args;
use millrace_client::ClientError;
use millrace_types::ErrorCode;

use self::client::Client;

/// Which topic of which cluster, and how long to try.
#[derive(Debug, Args)]
pub struct Place {
    /// Host and port of any broker.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    pub bootstrap: String,
    /// How many seconds one step, such as the write of a record, is tried again while the broker
    /// cannot be reached, as when it starts anew.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub wait: u64,
    /// The topic.
    pub topic: String,
}

/// Writes each line of the standard input as a record, on all partitions in turn. A record that has
/// to be sent again is there once.
///
/// # Errors
/// A record is not acknowledged.
pub async fn produce(place: Place) -> anyhow::Result<()> {
    let mut client = Client::new(&place);
    let limit = Duration::from_secs(place.wait);
    let partitions = client.insist(limit, is_passing, Client::partitions).await?;
    let mut count: usize = 0;
    for (line, partition) in io::stdin().lock().lines().zip(partitions.iter().cycle()) {
        let line = line.context("cannot read the standard input")?;
        let write = async |client: &mut Client| client.write(*partition, line.as_bytes()).await;
        let written = client.insist(limit, is_passing, write).await;
        written.with_context(|| format!("record {} is not acknowledged", count + 1))?;
        count += 1;
    }
    say(format!("{count} records written to {}", place.topic).as_bytes())
}

/// Prints the values of all records that are there, oldest first in each partition.
///
/// # Errors
/// A partition cannot be read.
pub async fn consume(place: Place) -> anyhow::Result<()> {
    let mut client = Client::new(&place);
    let limit = Duration::from_secs(place.wait);
    for partition in client.insist(limit, is_passing, Client::partitions).await? {
        let start = async |client: &mut Client| client.start(partition).await;
        let mut offset = Some(client.insist(limit, is_passing, start).await?);
        while let Some(from) = offset {
            let read = async |client: &mut Client| client.read(partition, from).await;
            let found = client.insist(limit, is_passing, read).await?;
            found.records.iter().try_for_each(|(_, value)| say(value))?;
            offset = found.next;
        }
    }
    Ok(())
}

/// Writes a record and reads it back, again and again until that succeeds.
///
/// # Errors
/// It does not succeed in time; what the last attempt met.
pub async fn try_out(place: Place) -> anyhow::Result<()> {
    let mut client = Client::new(&place);
    let value = format!("tried at {:?}", SystemTime::now().duration_since(UNIX_EPOCH)?);
    let attempt = async |client: &mut Client| round_trip(client, &value).await;
    let came_back = client.insist(Duration::from_secs(place.wait), |_| true, attempt).await;
    let offset = came_back.with_context(|| format!("no success within {} s", place.wait))?;
    say(format!("a record of {} came back, offset {offset}", place.topic).as_bytes())
}

async fn round_trip(client: &mut Client, value: &str) -> anyhow::Result<i64> {
    let partitions = client.partitions().await?;
    let partition = *partitions.first().context("the topic has no partition")?;
    let offset = client.write(partition, value.as_bytes()).await?;
    let mut next = Some(offset);
    while let Some(from) = next {
        let found = client.read(partition, from).await?;
        if found.records.contains(&(offset, value.as_bytes().to_vec())) {
            return Ok(offset);
        }
        next = found.next;
    }
    bail!("offset {offset} was acknowledged, but cannot be read")
}

/// Whether an attempt met something that passes. A topic that is not there does not come by itself.
fn is_passing(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Io { .. }) => true,
        Some(ClientError::Refused { code, .. }) => {
            code.is_retriable() && *code != ErrorCode::UnknownTopicOrPartition
        }
        _ => false,
    }
}

fn say(line: &[u8]) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(line)?;
    output.write_all(b"\n")?;
    Ok(output.flush()?)
}
