//! Any stream of bytes as a transport: the simulator's connections. Files are copied through memory.

use std::io;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{More, ReadHalf, Room, WriteHalf};
use crate::blocking::Blocking;
use crate::reply::FileSlice;

/// Most bytes of a file that are in memory at once for one connection.
const COPY_BYTES: usize = 64 * 1024;

/// The reading half of a stream.
#[derive(Debug)]
pub struct PipeReader<S>(pub S);

impl<S: AsyncRead + Unpin + Send + 'static> ReadHalf for PipeReader<S> {
    async fn read(&mut self, buffer: &mut BytesMut, room: Room) -> io::Result<usize> {
        buffer.reserve(room.reserve_bytes);
        self.0.read_buf(&mut buffer.limit(room.read_bytes)).await
    }
}

/// The writing half of a stream.
#[derive(Debug)]
pub struct PipeWriter<S> {
    stream: S,
    blocking: Blocking,
    /// Bytes read from a file and not yet sent.
    copied: BytesMut,
}

impl<S> PipeWriter<S> {
    /// Wraps the writing half of a stream; files are read as `blocking` says.
    pub fn new(stream: S, blocking: Blocking) -> PipeWriter<S> {
        PipeWriter { stream, blocking, copied: BytesMut::new() }
    }
}

impl<S: AsyncWrite + Unpin + Send + 'static> WriteHalf for PipeWriter<S> {
    async fn write(&mut self, bytes: &[u8], _more: More) -> io::Result<usize> {
        let count = self.stream.write(bytes).await?;
        if count == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) }
    }

    async fn send_file(&mut self, slice: &FileSlice, sent: usize) -> io::Result<usize> {
        if self.copied.is_empty() {
            let file = Arc::clone(&slice.file);
            let position = slice.position.saturating_add(sent as u64);
            let length = slice.length.saturating_sub(sent).min(COPY_BYTES);
            let read = move || {
                let mut chunk = vec![0; length];
                let count = file.read_at(&mut chunk, position)?;
                chunk.truncate(count);
                io::Result::Ok(chunk)
            };
            self.copied = BytesMut::from(self.blocking.run(read).await?.as_slice());
            if self.copied.is_empty() {
                return Ok(0);
            }
        }
        let count = self.write_copied().await?;
        Ok(count)
    }
}

impl<S: AsyncWrite + Unpin + Send + 'static> PipeWriter<S> {
    async fn write_copied(&mut self) -> io::Result<usize> {
        let count = self.stream.write(&self.copied).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        drop(self.copied.split_to(count));
        Ok(count)
    }
}
