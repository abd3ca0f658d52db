//! The seam between a connection and what carries its bytes: TCP in production, a pipe in memory in
//! the simulator, TLS later.

use std::future::Future;
use std::io;

use bytes::BytesMut;

use crate::reply::FileSlice;

pub mod pipe;
pub mod tcp;

/// How much a reader may take at once, and how large the buffer may be made for it.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Most bytes to read.
    pub read_bytes: usize,
    /// Free bytes that the buffer is given before, at least `read_bytes`.
    pub reserve_bytes: usize,
}

/// The half of a connection that bytes come from.
pub trait ReadHalf: Send + 'static {
    /// Waits for bytes and appends some of them; 0 at the end of the stream. The buffer is grown only
    /// when bytes are there. Dropping the future loses no bytes.
    fn read(
        &mut self,
        buffer: &mut BytesMut,
        room: Room,
    ) -> impl Future<Output = io::Result<usize>> + Send;
}

/// Whether more bytes follow at once, so that the last packet may wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// The frame goes on.
    Follows,
    /// This is its end.
    Ends,
}

/// The half of a connection that bytes go to. Dropping a future loses no bytes and repeats none.
pub trait WriteHalf: Send + 'static {
    /// Sends some of the bytes, at least one.
    fn write(&mut self, bytes: &[u8], more: More)
    -> impl Future<Output = io::Result<usize>> + Send;

    /// Sends some bytes of a file, from `sent` bytes into the slice; 0 if the file has ended there.
    fn send_file(
        &mut self,
        slice: &FileSlice,
        sent: usize,
    ) -> impl Future<Output = io::Result<usize>> + Send;
}
