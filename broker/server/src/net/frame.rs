//! Frames from bytes: a length of four bytes, then that many bytes.
//!
//! Memory grows with what was received, never with what a length claims, and it is charged to the
//! [`Budget`]. A connection that waits for a request holds no buffer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

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

    /// What it holds of the budget, in bytes.
    pub fn charged_bytes(&self) -> usize {
        self.charge.bytes()
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
    budget: Arc<Budget>,
    frame_bytes_max: usize,
}

impl<R: ReadHalf> FrameReader<R> {
    /// Reads from `half`; frames above `frame_bytes_max` are refused.
    pub fn new(half: R, budget: &Arc<Budget>, frame_bytes_max: usize) -> FrameReader<R> {
        FrameReader {
            half,
            buffer: BytesMut::new(),
            charge: Charge::none(budget),
            budget: Arc::clone(budget),
            frame_bytes_max,
        }
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
            let count = self.read(room, size_bytes.unwrap_or(0)).await?;
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
        if self.buffer.len() < LENGTH_BYTES || size_bytes <= limits::FRAME_START_BYTES {
            let read_bytes = limits::FRAME_START_BYTES.saturating_sub(self.buffer.len()).max(1);
            return Room { read_bytes, reserve_bytes: read_bytes };
        }
        let read_bytes = missing_bytes.min(limits::FRAME_READ_BYTES);
        let spare = self.charge.bytes().saturating_sub(self.buffer.len());
        if spare < read_bytes {
            self.charge.grow(read_bytes.saturating_sub(spare)).await;
        }
        let capacity = self.buffer.len().saturating_mul(2).max(limits::FRAME_RESERVE_BYTES);
        let capacity = capacity.min(size_bytes).max(self.buffer.len().saturating_add(read_bytes));
        Room { read_bytes, reserve_bytes: capacity.saturating_sub(self.buffer.len()) }
    }

    /// Reads, but not for ever while others wait for this frame to get ready.
    async fn read(&mut self, room: Room, size_bytes: usize) -> Result<usize, ReadError> {
        let reading = self.half.read(&mut self.buffer, room);
        let Some(since) = self.charge.holds_up_others_since() else {
            return Ok(reading.await?);
        };
        let held = Duration::from_millis(limits::FRAME_HOLDS_UP_OTHERS_MS_MAX);
        let deadline: Instant = since.checked_add(held).unwrap_or(since);
        match timeout_at(deadline, reading).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(ReadError::Refused(Refusal::Starving {
                size_bytes,
                received_bytes: self.buffer.len(),
                budget_bytes: self.budget.limit_bytes(),
                held,
            })),
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
        let uncharged = self.buffer.len().saturating_sub(self.charge.bytes());
        if uncharged > 0 {
            self.charge.force(uncharged);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::super::transport::pipe::PipeReader;
    use super::{Budget, FrameReader, ReadError};
    use crate::refusal::Refusal;
    use std::sync::Arc;

    fn reader(limit: usize) -> (DuplexStream, FrameReader<PipeReader<DuplexStream>>, Arc<Budget>) {
        let (client, server) = duplex(1 << 20);
        let budget = Budget::new(1 << 20);
        (client, FrameReader::new(PipeReader(server), &budget, limit), budget)
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        let mut frame = i32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        frame
    }

    #[tokio::test]
    async fn frames_come_out_as_they_went_in() {
        let (mut client, mut frames, budget) = reader(1 << 20);
        let bodies = [vec![1; 3], vec![], vec![2; 5_000], vec![3; 300_000], vec![4; 1]];
        for body in &bodies {
            client.write_all(&framed(body)).await.unwrap();
        }
        drop(client);
        for body in &bodies {
            let frame = frames.next().await.unwrap();
            assert_eq!(frame.bytes, body);
            assert_eq!(frame.charged_bytes(), body.len() + 4);
        }
        assert!(matches!(frames.next().await, Err(ReadError::Closed)));
        assert_eq!(budget.used_bytes(), 0);
    }

    #[tokio::test]
    async fn a_length_outside_of_the_limit_is_refused_with_both_numbers() {
        for claimed in [-1, 1_001, i32::MAX] {
            let (mut client, mut frames, _) = reader(1_000);
            client.write_all(&claimed.to_be_bytes()).await.unwrap();
            match frames.next().await {
                Err(ReadError::Refused(Refusal::FrameSize { size_bytes, limit_bytes })) => {
                    assert_eq!((size_bytes, limit_bytes), (claimed, 1_000));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_frame_that_claims_much_and_sends_little_takes_little() {
        let (mut client, mut frames, budget) = reader(1 << 20);
        client.write_all(&framed(&vec![0; 1 << 20])[..100]).await.unwrap();
        tokio::select! { biased;
            _ = frames.next() => panic!("the frame is not complete"),
            () = tokio::task::yield_now() => {}
        }
        assert!(frames.buffer.capacity() <= 1 << 20);
        assert!(budget.used_bytes() <= 100 + millrace_core::limits::FRAME_READ_BYTES);
        drop(client);
        let end = frames.next().await;
        assert!(matches!(end, Err(ReadError::ClosedInFrame { received_bytes: 100 })), "{end:?}");
    }
}
