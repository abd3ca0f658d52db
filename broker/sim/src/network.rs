//! A network in memory: bytes arrive late, connections break, and a broker that is down refuses.
//!
//! A connection is two pipes with a carrier between them; the carrier delays what it carries and
//! drops both ends when it is told to. TCP's promise holds: what arrives, arrives in order.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Bytes that fit into a pipe before its writer waits.
const PIPE_BYTES: usize = 64 * 1024;

/// The network of one world. Clones are handles to the same network.
#[derive(Clone, Debug)]
pub struct Network {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    rng: ChaCha8Rng,
    latency_ms_max: u64,
    listeners: BTreeMap<String, mpsc::UnboundedSender<DuplexStream>>,
    connections: BTreeMap<u64, Connection>,
    opened: u64,
}

#[derive(Debug)]
struct Connection {
    address: String,
    cut: CancellationToken,
}

impl Network {
    /// A network without listeners.
    pub fn new(seed: u64, latency_ms_max: u64) -> Network {
        let inner = Inner {
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x6e65_7477),
            latency_ms_max,
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            opened: 0,
        };
        Network { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Starts to listen: connections to `address` come out of the receiver.
    pub fn listen(&self, address: &str) -> mpsc::UnboundedReceiver<DuplexStream> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().listeners.insert(address.to_owned(), sender);
        receiver
    }

    /// Opens a connection.
    pub async fn connect(&self, address: &str) -> io::Result<DuplexStream> {
        self.travel().await;
        let (client, near) = duplex(PIPE_BYTES);
        let (far, server) = duplex(PIPE_BYTES);
        let mut inner = self.lock();
        let listener = inner.listeners.get(address).cloned();
        if listener.is_none_or(|listener| listener.send(server).is_err()) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        inner.opened += 1;
        let number = inner.opened;
        let cut = CancellationToken::new();
        let connection = Connection { address: address.to_owned(), cut: cut.clone() };
        inner.connections.insert(number, connection);
        drop(inner);
        let (near_read, near_write) = split(near);
        let (far_read, far_write) = split(far);
        let network = self.clone();
        tokio::spawn(async move {
            let carried = async {
                tokio::join!(
                    network.carry(near_read, far_write),
                    network.carry(far_read, near_write)
                )
            };
            tokio::select! {
                biased;
                () = cut.cancelled() => {}
                _ = carried => {}
            }
            network.lock().connections.remove(&number);
        });
        Ok(client)
    }

    /// Breaks every connection to `address` and refuses new ones until it listens again.
    pub fn take_down(&self, address: &str) {
        let mut inner = self.lock();
        inner.listeners.remove(address);
        for connection in inner.connections.values() {
            if connection.address == address {
                connection.cut.cancel();
            }
        }
    }

    /// Breaks one connection of those that are open.
    pub fn cut_one(&self) {
        let mut inner = self.lock();
        let open = inner.connections.len();
        if open == 0 {
            return;
        }
        let chosen = inner.rng.random_range(0..open);
        if let Some(connection) = inner.connections.values().nth(chosen) {
            connection.cut.cancel();
        }
    }

    /// Makes the network fast and reliable.
    pub fn heal(&self) {
        self.lock().latency_ms_max = 0;
    }

    async fn carry(&self, mut from: ReadHalf<DuplexStream>, mut to: WriteHalf<DuplexStream>) {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            self.travel().await;
            let carried = buffer.get(..count).unwrap_or_default();
            if to.write_all(carried).await.is_err() {
                return;
            }
        }
        // One side closed; the other side learns of it.
        let _ = to.shutdown().await;
    }

    async fn travel(&self) {
        let wait_ms = {
            let mut inner = self.lock();
            let latency_ms_max = inner.latency_ms_max;
            inner.rng.random_range(0..=latency_ms_max)
        };
        if wait_ms > 0 {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::Network;

    #[tokio::test(start_paused = true)]
    async fn bytes_arrive_in_order_and_late() {
        let network = Network::new(1, 50);
        let mut accepted = network.listen("a:1");
        let mut client = network.connect("a:1").await.unwrap();
        let mut server = accepted.recv().await.unwrap();
        for word in ["one ", "two ", "three"] {
            client.write_all(word.as_bytes()).await.unwrap();
        }
        drop(client);
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "one two three");
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_is_down_cuts_and_refuses() {
        let network = Network::new(1, 0);
        let mut accepted = network.listen("a:1");
        let mut client = network.connect("a:1").await.unwrap();
        let _server = accepted.recv().await.unwrap();
        network.take_down("a:1");
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
        assert!(network.connect("a:1").await.is_err());
    }
}
