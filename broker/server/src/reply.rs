//! The answer to one request, as it will stand on the wire: bytes, and slices of files between them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use millrace_log::disk::File;
use millrace_wire::{ApiKey, EncodeError, frame};

use crate::refusal::Refusal;

/// A piece of a file that goes to the socket without passing through memory.
#[derive(Clone, Debug)]
pub struct FileSlice {
    /// The file.
    pub file: Arc<dyn File>,
    /// Where the piece begins, in bytes from the start of the file.
    pub position: u64,
    /// Length of the piece, in bytes.
    pub length: usize,
}

/// One response frame. Starts with room for the length, which [`Reply::seal`] fills in.
#[derive(Debug, Default)]
pub struct Reply {
    bytes: Vec<u8>,
    files: Vec<(usize, FileSlice)>,
    files_bytes: usize,
}

impl Reply {
    /// A frame that begins with the header of the response to a request of `key` and `version`.
    pub fn begin(key: ApiKey, version: i16, correlation_id: i32) -> Reply {
        let bytes = frame::begin_response(key, version, correlation_id);
        Reply { bytes, files: Vec::new(), files_bytes: 0 }
    }

    /// Where the next bytes of the frame are written.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Puts a piece of a file behind the bytes written so far.
    pub fn push_file(&mut self, slice: FileSlice) {
        if slice.length > 0 {
            self.files_bytes = self.files_bytes.saturating_add(slice.length);
            self.files.push((self.bytes.len(), slice));
        }
    }

    /// Length of the frame so far, in bytes, with the length itself.
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_add(self.files_bytes)
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the length in front; the frame is complete then.
    ///
    /// # Errors
    /// A frame whose length does not fit the wire's `int32`.
    pub fn seal(&mut self) -> Result<(), EncodeError> {
        frame::finish(&mut self.bytes, self.files_bytes)
    }

    /// Appends a frame, so that both are sent at once.
    pub fn append(&mut self, other: &Reply) {
        let start = self.bytes.len();
        let moved =
            |(place, slice): &(usize, FileSlice)| (start.saturating_add(*place), slice.clone());
        self.files.extend(other.files.iter().map(moved));
        self.files_bytes = self.files_bytes.saturating_add(other.files_bytes);
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// The bytes and, in order, the slices with the position among the bytes where each goes.
    pub fn parts(&self) -> (&[u8], &[(usize, FileSlice)]) {
        (&self.bytes, &self.files)
    }
}

/// A future that ends with an answer. It is dropped when the client is gone, and it is not polled
/// while the connection has no use for it: dropping or delaying it must lose nothing but the answer,
/// and it must hold no lock while it waits.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Result<Reply, Refusal>> + Send>>;

/// What a handler has to say when the part of its work that must be in order is done.
pub enum Outcome {
    /// The answer.
    Reply(Reply),
    /// The request wants no answer (Produce with acks=0).
    Silent,
    /// The answer comes later, and the next request of the connection waits for it, as in Kafka:
    /// long polls, joins.
    Wait(ReplyFuture),
    /// The answer comes later, but the next request may start: an append that is queued in order and
    /// waits to be written or replicated.
    Overlap(ReplyFuture),
}

/// What the table of APIs gives for a request: the whole handler, ready to be polled.
pub type OutcomeFuture = Pin<Box<dyn Future<Output = Result<Outcome, Refusal>> + Send>>;

#[cfg(test)]
mod tests {
    use millrace_wire::ApiKey;

    use super::Reply;

    #[test]
    fn a_sealed_frame_begins_with_its_length() {
        let mut reply = Reply::begin(ApiKey::Metadata, 9, 7);
        reply.bytes().extend_from_slice(b"abc");
        reply.seal().unwrap();
        assert_eq!(reply.parts().0, b"\0\0\0\x08\0\0\0\x07\0abc");
    }
}
