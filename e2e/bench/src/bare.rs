//! The bare hardware: what a program reaches that does nothing but what a broker cannot avoid.
//!
//! Each loop runs in a process of its own, so that its processor time is counted as a broker's is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::fetch::skip;
use crate::figures::cpu_seconds;
use crate::peer::Peer;
use crate::produce::Throughput;

/// Bytes that one answer or one request carries, as in the runs against brokers.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes of the file that is sent.
const FILE_BYTES: usize = 512 << 20;
/// Bytes after which the file that is written starts again at its beginning.
const WRITE_BYTES_MAX: u64 = 2 << 30;
/// How long a run takes.
const RUN: Duration = Duration::from_secs(3);

/// Which loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Loop {
    /// For each byte that comes, sends the next mebibyte of a file.
    Sendfile,
    /// Receives a mebibyte, checks its CRC32C, writes it to a file, answers with a byte.
    Receive,
}

/// The loop itself: serves one connection and ends. Prints its port first.
pub fn serve(which: Loop, dir: &Path) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?.port())?;
    out.flush()?;
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0x5a; CHUNK_BYTES];
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(dir.join("bare"))?;
    if which == Loop::Sendfile {
        for chunk in 0..FILE_BYTES / CHUNK_BYTES {
            file.write_all_at(&buffer, (chunk * CHUNK_BYTES) as u64)?;
        }
    }
    let mut position = 0_u64;
    loop {
        if which == Loop::Sendfile {
            let mut wish = [0; 1];
            if stream.read(&mut wish)? == 0 {
                return Ok(());
            }
            let end = position + CHUNK_BYTES as u64;
            while position < end {
                let rest = usize::try_from(end - position)?;
                rustix::fs::sendfile(&stream, &file, Some(&mut position), rest)?;
            }
            position %= FILE_BYTES as u64;
        } else {
            if stream.read_exact(&mut buffer).is_err() {
                return Ok(());
            }
            let crc = crc32c::crc32c(&buffer);
            file.write_all_at(&buffer, position)?;
            position = (position + CHUNK_BYTES as u64) % WRITE_BYTES_MAX;
            stream.write_all(&[crc.to_le_bytes()[0]])?;
        }
    }
}

/// Runs the loop in a child process and drives it.
pub fn run(which: Loop, dir: &Path) -> Result<Throughput> {
    let name = if which == Loop::Sendfile { "sendfile" } else { "receive" };
    let mut child = Command::new(std::env::current_exe()?)
        .args(["bare", name])
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()?;
    let driven = drive(which, &mut child);
    // Fails only for a process that has ended and been waited for.
    let _ = child.kill();
    child.wait()?;
    driven
}

fn drive(which: Loop, child: &mut Child) -> Result<Throughput> {
    let mut port = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut port)?;
    let mut peer = Peer::connect(&format!("127.0.0.1:{}", port.trim()))?;
    let chunk = vec![0x5a; CHUNK_BYTES];
    let mut open = 0;
    let mut exchange = |peer: &mut Peer| -> Result<()> {
        if which == Loop::Sendfile {
            peer.stream.write_all(&[1])?;
            return skip(peer, CHUNK_BYTES);
        }
        // Five ahead, as the producers of the runs against brokers.
        while open < 5 {
            peer.stream.write_all(&chunk)?;
            open += 1;
        }
        let mut answer = [0; 1];
        if peer.stream.read(&mut answer)? == 0 {
            bail!("the bare loop ended");
        }
        open -= 1;
        Ok(())
    };
    let warm_up = Instant::now();
    while warm_up.elapsed() < Duration::from_millis(500) {
        exchange(&mut peer)?;
    }
    let (cpu_before, start) = (cpu_seconds(child.id())?, Instant::now());
    let mut bytes = 0;
    while start.elapsed() < RUN {
        exchange(&mut peer)?;
        bytes += CHUNK_BYTES as u64;
    }
    Ok(Throughput::of(bytes, start.elapsed(), cpu_seconds(child.id())? - cpu_before))
}
