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
use tokio::task::coop::consume_budget;

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
            // A task whose turn is over reads nothing, though the socket goes on being readable:
            // without giving way here it would ask again for ever.
            consume_budget().await;
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

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::os::fd::AsFd;

    use bytes::BytesMut;
    use millrace_log::disk::{Disk, FaultyDisk, File, OpenMode, RealDisk};
    use rustix::fs::{Advice, fadvise};
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::super::{ReadHalf, Room, WriteHalf};
    use super::{TcpReader, TcpWriter, split};
    use crate::blocking::Blocking;
    use crate::reply::FileSlice;
    use std::sync::Arc;

    /// Sends the slice over a socket and returns what arrived.
    async fn send(slice: FileSlice) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let near = TcpStream::connect(address).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let (_, mut writer): (_, TcpWriter) = split(near, Blocking::Pool);
        let (mut reader, _held): (TcpReader, _) = split(far, Blocking::Pool);
        let length = slice.length;
        let sending = tokio::spawn(async move {
            let mut sent = 0;
            while sent < length {
                let count = writer.send_file(&slice, sent).await.unwrap();
                assert_ne!(count, 0);
                sent += count;
            }
            assert_eq!(sent, length);
        });
        let mut received = BytesMut::new();
        while received.len() < length {
            let room = Room { read_bytes: 64 * 1024, reserve_bytes: 64 * 1024 };
            assert_ne!(reader.read(&mut received, room).await.unwrap(), 0);
        }
        sending.await.unwrap();
        received.to_vec()
    }

    /// Reads byte by byte what came at once, more often than a task may before it gives way.
    async fn read_bytewise(count: usize) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        near.write_all(&vec![7; count]).await.unwrap();
        let (mut reader, _held) = split(far, Blocking::Pool);
        let mut received = BytesMut::new();
        while received.len() < count {
            let room = Room { read_bytes: 1, reserve_bytes: 1 };
            assert_eq!(reader.read(&mut received, room).await.unwrap(), 1);
        }
        received.to_vec()
    }

    #[test]
    fn a_busy_connection_gives_way_and_goes_on() {
        let (done, result) = std::sync::mpsc::channel();
        // A reader that does not give way would keep a runtime from ending, too.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let received = runtime.unwrap().block_on(read_bytewise(1_000));
            let _ = done.send(received);
        });
        let received = result.recv_timeout(std::time::Duration::from_secs(30));
        assert!(received.expect("the reader never ends") == vec![7; 1_000]);
    }

    fn content() -> Vec<u8> {
        (0..3_000_000_u32)
            .map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0])
            .collect()
    }

    fn written(file: Arc<dyn File>) -> FileSlice {
        file.write_all_at(&[IoSlice::new(&content())], 0).unwrap();
        file.sync().unwrap();
        FileSlice { file, position: 1_000, length: 2_500_000 }
    }

    #[tokio::test]
    async fn a_file_arrives_as_it_is_from_memory_from_disk_and_from_a_test_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let expected = content()[1_000..2_501_000].to_vec();
        let slice = written(RealDisk.open(&path, OpenMode::CreateNew).unwrap());
        assert!(send(slice.clone()).await == expected);

        // The same with its pages taken out of memory, where the file system lets us.
        let same = std::fs::File::open(&path).unwrap();
        fadvise(same.as_fd(), 0, None, Advice::DontNeed).unwrap();
        assert!(send(slice).await == expected);

        let slice =
            written(FaultyDisk::new(1).open("/file".as_ref(), OpenMode::CreateNew).unwrap());
        assert!(slice.file.fd().is_none());
        assert!(send(slice).await == expected);
    }
}
