//! Frames from bytes: a length of four bytes, then that many bytes.
//!
//! Memory grows with what was received, never with what a length claims. A frame longer than its start
//! waits for room in the [`Budget`]. A connection that waits for a request holds no buffer.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::budget::{Budget, Charge};
use super::transport::{ReadHalf, Room};
use crate::refusal::Refusal;
use millrace_core::limits;

/// Bytes of the length before a frame.
const LENGTH_BYTES: usize = 4;

/// One request as it came, without its length. Holds its share of the budget until dropped.
#[derive(Debug)]
pub struct Frame {
    /// The bytes.
    pub bytes: Bytes,
    charge: Charge,
}

impl Frame {
    /// A frame of bytes that are already in memory.
    pub fn new(bytes: Bytes, charge: Charge) -> Frame {
        Frame { bytes, charge }
    }

    /// What is booked for it, in bytes.
    pub fn received_bytes(&self) -> usize {
        self.charge.received_bytes()
    }

    /// Waits until it must give way to others that wait for its room; see [`Charge::crowded_out`].
    pub async fn crowded_out(&self) -> Refusal {
        self.charge.crowded_out().await
    }
}

/// How reading came to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The client closed between two frames.
    #[error("closed by the client")]
    Closed,
    /// The client closed inside of a frame.
    #[error("closed by the client with {received_bytes} bytes of a frame sent")]
    ClosedInFrame {
        /// How much of the frame came, with its length.
        received_bytes: usize,
    },
    /// The frame breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Cuts the bytes of one connection into frames.
#[derive(Debug)]
pub struct FrameReader<R> {
    half: R,
    buffer: BytesMut,
    charge: Charge,
    frame_bytes_max: usize,
}

impl<R: ReadHalf> FrameReader<R> {
    /// Reads from `half`; frames above `frame_bytes_max` are refused.
    pub fn new(half: R, budget: &Arc<Budget>, frame_bytes_max: usize) -> FrameReader<R> {
        FrameReader { half, buffer: BytesMut::new(), charge: Charge::none(budget), frame_bytes_max }
    }

    /// Waits for the next frame. Dropping the future loses nothing.
    ///
    /// # Errors
    /// See [`ReadError`]; the connection is of no use after any of them.
    pub async fn next(&mut self) -> Result<Frame, ReadError> {
        loop {
            let size_bytes = self.frame_size()?;
            let missing_bytes = match size_bytes {
                Some(size_bytes) if self.buffer.len() >= size_bytes => {
                    return Ok(self.cut(size_bytes));
                }
                Some(size_bytes) => size_bytes.saturating_sub(self.buffer.len()),
                None => 0,
            };
            let room = self.room(size_bytes.unwrap_or(0), missing_bytes).await;
            let count = self.read(room).await?;
            self.settle(count)?;
        }
    }

    /// How much of the next frame was received.
    pub fn received_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Whether the next frame is complete, so that it can be had without reading.
    pub fn has_frame(&self) -> bool {
        self.frame_size().is_ok_and(|size| size.is_some_and(|size| self.buffer.len() >= size))
    }

    /// Length of the frame at the front with its own four bytes, when these are there.
    fn frame_size(&self) -> Result<Option<usize>, Refusal> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let claimed = i32::from_be_bytes(*length);
        match usize::try_from(claimed) {
            Ok(size) if size <= self.frame_bytes_max => Ok(Some(size.saturating_add(LENGTH_BYTES))),
            _ => Err(Refusal::FrameSize { size_bytes: claimed, limit_bytes: self.frame_bytes_max }),
        }
    }

    /// Takes the complete frame from the front of the buffer.
    fn cut(&mut self, size_bytes: usize) -> Frame {
        let mut bytes = self.buffer.split_to(size_bytes).freeze();
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        let charge = self.charge.split(size_bytes);
        drop(bytes.split_to(LENGTH_BYTES));
        Frame { bytes, charge }
    }

    /// How much may be read now. The start of a frame is always let in; what follows waits for
    /// the budget.
    async fn room(&mut self, size_bytes: usize, missing_bytes: usize) -> Room {
        if self.buffer.len() < limits::FRAME_START_BYTES {
            let read_bytes = limits::FRAME_START_BYTES.saturating_sub(self.buffer.len());
            return Room { read_bytes, reserve_bytes: read_bytes };
        }
        self.charge.enter(size_bytes).await;
        let read_bytes = missing_bytes.min(limits::FRAME_READ_BYTES);
        let capacity = self.buffer.len().saturating_mul(2).max(limits::FRAME_RESERVE_BYTES);
        let capacity = capacity.min(size_bytes).max(self.buffer.len().saturating_add(read_bytes));
        Room { read_bytes, reserve_bytes: capacity.saturating_sub(self.buffer.len()) }
    }

    /// Reads, but not while others wait for the room of a frame that does not get ready.
    async fn read(&mut self, room: Room) -> Result<usize, ReadError> {
        tokio::select! { biased;
            done = self.half.read(&mut self.buffer, room) => Ok(done?),
            refusal = self.charge.crowded_out() => Err(ReadError::Refused(refusal)),
        }
    }

    /// Books what was read.
    fn settle(&mut self, count: usize) -> Result<(), ReadError> {
        if count == 0 {
            return Err(match self.buffer.len() {
                0 => ReadError::Closed,
                received_bytes => ReadError::ClosedInFrame { received_bytes },
            });
        }
        self.charge.receive(count);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
