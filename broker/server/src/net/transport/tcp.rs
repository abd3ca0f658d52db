//! TCP: files go by `sendfile`, cold pages are fetched on a thread that may block.

use std::future::{Future, poll_fn};
use std::io::{self, IoSliceMut};
use std::os::fd::BorrowedFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::{BufMut, BytesMut};
use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::SendFlags;
use tokio::io::{AsyncReadExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{More, ReadHalf, Room, WriteHalf};
use crate::blocking::Blocking;
use crate::reply::FileSlice;

/// Most bytes given to one `sendfile`: also how much is fetched at once when pages are cold.
const SEND_FILE_BYTES: usize = 1024 * 1024;

/// Most bytes of a file without descriptor that are in memory at once.
const COPY_BYTES: usize = 64 * 1024;

/// The reading half of a socket.
#[derive(Debug)]
pub struct TcpReader(OwnedReadHalf);

/// The writing half of a socket.
#[derive(Debug)]
pub struct TcpWriter {
    half: OwnedWriteHalf,
    blocking: Blocking,
}

/// Splits a socket into its halves.
pub fn split(stream: TcpStream, blocking: Blocking) -> (TcpReader, TcpWriter) {
    let (reader, writer) = stream.into_split();
    (TcpReader(reader), TcpWriter { half: writer, blocking })
}

impl ReadHalf for TcpReader {
    async fn read(&mut self, buffer: &mut BytesMut, room: Room) -> io::Result<usize> {
        loop {
            self.0.readable().await?;
            buffer.reserve(room.reserve_bytes);
            if let Some(done) = self.read_now(buffer, room).await {
                return done;
            }
            // A false alarm, as for each new socket: an idle one holds no buffer.
            if buffer.is_empty() {
                *buffer = BytesMut::new();
            }
        }
    }
}

impl TcpReader {
    /// Reads what is there; `None` if that is nothing. Other than `try_read`, this tells the reactor
    /// when the socket was emptied, which spares a call that would only find that out.
    async fn read_now(&mut self, buffer: &mut BytesMut, room: Room) -> Option<io::Result<usize>> {
        let mut limited = buffer.limit(room.read_bytes);
        let mut reading = pin!(self.0.read_buf(&mut limited));
        poll_fn(|context| match reading.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
}

impl WriteHalf for TcpWriter {
    async fn write(&mut self, bytes: &[u8], more: More) -> io::Result<usize> {
        let flags = match more {
            More::Follows => SendFlags::NOSIGNAL | SendFlags::MORE,
            More::Ends => SendFlags::NOSIGNAL,
        };
        let socket: &TcpStream = self.half.as_ref();
        socket.async_io(Interest::WRITABLE, || Ok(rustix::net::send(socket, bytes, flags)?)).await
    }

    async fn send_file(&mut self, slice: &FileSlice, sent: usize) -> io::Result<usize> {
        let position = slice.position.saturating_add(sent as u64);
        let length = slice.length.saturating_sub(sent).min(SEND_FILE_BYTES);
        let socket: &TcpStream = self.half.as_ref();
        loop {
            // Writable first: cold pages fetched for a client that does not read may be cold again
            // when it does.
            socket.writable().await?;
            let Some(file) = slice.file.fd() else {
                return self.copy_file(slice, sent).await;
            };
            if !is_cached(file, position, length) {
                let file = Arc::clone(&slice.file);
                self.blocking.run(move || fetch(&*file, position, length)).await?;
            }
            let result = socket.try_io(Interest::WRITABLE, || {
                let mut offset = position;
                let file = slice.file.fd().ok_or(io::ErrorKind::Unsupported)?;
                Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), length)?)
            });
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }
}

impl TcpWriter {
    /// Sends a file that has no descriptor, as those of test disks. What the socket does not take at
    /// once is read again.
    async fn copy_file(&mut self, slice: &FileSlice, sent: usize) -> io::Result<usize> {
        let file = Arc::clone(&slice.file);
        let position = slice.position.saturating_add(sent as u64);
        let length = slice.length.saturating_sub(sent).min(COPY_BYTES);
        let read = move || {
            let mut chunk = vec![0; length];
            let count = file.read_at(&mut chunk, position)?;
            chunk.truncate(count);
            io::Result::Ok(chunk)
        };
        let chunk = self.blocking.run(read).await?;
        if chunk.is_empty() { Ok(0) } else { self.write(&chunk, More::Ends).await }
    }
}

/// Whether the first and the last page are in memory, so that sending will most likely not wait for
/// the disk. True where the file system cannot tell.
fn is_cached(file: BorrowedFd<'_>, position: u64, length: usize) -> bool {
    let last = position.saturating_add(length.saturating_sub(1) as u64);
    let probe = |position| {
        let mut byte = [0];
        let mut parts = [IoSliceMut::new(&mut byte)];
        rustix::io::preadv2(file, &mut parts, position, ReadWriteFlags::NOWAIT) != Err(Errno::AGAIN)
    };
    probe(position) && probe(last)
}

/// Reads a piece of a file to have its pages in memory.
fn fetch(file: &dyn millrace_log::disk::File, position: u64, length: usize) -> io::Result<()> {
    let mut scratch = vec![0; length.min(64 * 1024)];
    let mut done: usize = 0;
    while done < length {
        match file.read_at(&mut scratch, position.saturating_add(done as u64))? {
            0 => break,
            count => done = done.saturating_add(count),
        }
    }
    Ok(())
}
