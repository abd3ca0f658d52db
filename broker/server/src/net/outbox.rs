//! Answers on their way to the client, in order.

use std::collections::VecDeque;
use std::io;

use millrace_core::limits;

use super::transport::{More, WriteHalf};
use crate::reply::Reply;

/// The writing end of one connection.
#[derive(Debug)]
pub struct Outbox<W> {
    half: W,
    queue: VecDeque<Reply>,
    /// How much of the front's bytes was sent.
    bytes_sent: usize,
    /// How many of the front's files were sent completely.
    files_sent: usize,
    /// How much was sent of the file after those.
    file_bytes_sent: usize,
}

impl<W: WriteHalf> Outbox<W> {
    /// Sends through `half`.
    pub fn new(half: W) -> Outbox<W> {
        let queue = VecDeque::new();
        Outbox { half, queue, bytes_sent: 0, files_sent: 0, file_bytes_sent: 0 }
    }

    /// Whether all was sent.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether so little is there that it may wait for more.
    pub fn may_gather(&self) -> bool {
        self.queue.len() <= 1 && self.queue.front().is_none_or(Outbox::<W>::is_small)
    }

    /// Puts a sealed frame at the end. Small ones are gathered, to be sent with one call.
    pub fn push(&mut self, reply: Reply) {
        match self.queue.back_mut() {
            Some(last) if Outbox::<W>::is_small(last) && Outbox::<W>::is_small(&reply) => {
                last.append(&reply);
            }
            Some(_) | None => self.queue.push_back(reply),
        }
    }

    fn is_small(reply: &Reply) -> bool {
        let (bytes, files) = reply.parts();
        files.is_empty() && bytes.len() < limits::ANSWERS_GATHERED_BYTES
    }

    /// Makes one step: sends what one call takes, and returns how many bytes that were. Dropping the
    /// future loses nothing and repeats nothing.
    ///
    /// # Errors
    /// The socket failed, or a file turned out shorter than the slice promised: the frame's length is
    /// out by then, so the connection cannot go on.
    pub async fn step(&mut self) -> io::Result<usize> {
        let Some(front) = self.queue.front() else {
            return Ok(0);
        };
        let (bytes, files) = front.parts();
        let file = files.get(self.files_sent);
        let bytes_end = file.map_or(bytes.len(), |(place, _)| *place);
        let sent = match (bytes.get(self.bytes_sent..bytes_end), file) {
            (Some(part), _) if !part.is_empty() => {
                let more = if file.is_some() { More::Follows } else { More::Ends };
                let sent = self.half.write(part, more).await?;
                self.bytes_sent = self.bytes_sent.saturating_add(sent);
                sent
            }
            (_, Some((_, slice))) => {
                let sent = self.half.send_file(slice, self.file_bytes_sent).await?;
                if sent == 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!(
                            "file ended {} bytes into a slice of {} bytes at {}",
                            self.file_bytes_sent, slice.length, slice.position
                        ),
                    ));
                }
                self.file_bytes_sent = self.file_bytes_sent.saturating_add(sent);
                if self.file_bytes_sent >= slice.length {
                    self.files_sent = self.files_sent.saturating_add(1);
                    self.file_bytes_sent = 0;
                }
                sent
            }
            _ => 0,
        };
        self.pop_if_sent();
        Ok(sent)
    }

    fn pop_if_sent(&mut self) {
        let is_sent = self.queue.front().is_some_and(|front| {
            let (bytes, files) = front.parts();
            self.bytes_sent >= bytes.len() && self.files_sent >= files.len()
        });
        if is_sent {
            self.queue.pop_front();
            self.bytes_sent = 0;
            self.files_sent = 0;
        }
        if self.queue.is_empty() {
            // Ten thousand idle connections keep no queue each.
            self.queue = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::path::Path;

    use millrace_log::disk::{Disk, OpenMode, RealDisk};
    use millrace_wire::ApiKey;
    use tokio::io::{AsyncReadExt, duplex};

    use super::super::transport::pipe::PipeWriter;
    use super::Outbox;
    use crate::blocking::Blocking;
    use crate::reply::{FileSlice, Reply};

    #[tokio::test]
    async fn bytes_and_files_arrive_in_the_order_they_were_put() {
        let dir = tempfile::tempdir().unwrap();
        let path: &Path = &dir.path().join("file");
        let file = RealDisk.open(path, OpenMode::CreateNew).unwrap();
        let content: Vec<u8> = (0..200_000_u32).map(|i| i.to_le_bytes()[0]).collect();
        file.write_all_at(&[IoSlice::new(&content)], 0).unwrap();
        let slice = |position, length| FileSlice { file: file.clone(), position, length };

        let mut reply = Reply::begin(ApiKey::ApiVersions, 0, 9);
        reply.push_file(slice(10, 150_000));
        reply.bytes().extend_from_slice(b"between");
        reply.push_file(slice(0, 3));
        reply.push_file(slice(3, 0));
        reply.push_file(slice(7, 2));
        reply.bytes().extend_from_slice(b"end");
        reply.seal().unwrap();
        let length = reply.len();

        let mut expected = i32::try_from(length - 4).unwrap().to_be_bytes().to_vec();
        expected.extend_from_slice(&9_i32.to_be_bytes());
        expected.extend_from_slice(&content[10..150_010]);
        expected.extend_from_slice(b"between");
        expected.extend_from_slice(&content[0..3]);
        expected.extend_from_slice(&content[7..9]);
        expected.extend_from_slice(b"end");

        // A small pipe makes every step a part.
        let (mut client, server) = duplex(1_000);
        let mut outbox = Outbox::new(PipeWriter::new(server, Blocking::Inline));
        outbox.push(reply);
        let reading = tokio::spawn(async move {
            let mut received = vec![0; length];
            client.read_exact(&mut received).await.unwrap();
            received
        });
        while !outbox.is_empty() {
            outbox.step().await.unwrap();
        }
        assert!(reading.await.unwrap() == expected);
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_ends_the_connection() {
        let dir = tempfile::tempdir().unwrap();
        let file = RealDisk.open(&dir.path().join("file"), OpenMode::CreateNew).unwrap();
        let mut reply = Reply::begin(ApiKey::ApiVersions, 0, 1);
        reply.push_file(FileSlice { file, position: 0, length: 10 });
        reply.seal().unwrap();
        let (_client, server) = duplex(1_000);
        let mut outbox = Outbox::new(PipeWriter::new(server, Blocking::Inline));
        outbox.push(reply);
        outbox.step().await.unwrap();
        let error = outbox.step().await.unwrap_err();
        assert_eq!(error.to_string(), "file ended 0 bytes into a slice of 10 bytes at 0");
    }
}
