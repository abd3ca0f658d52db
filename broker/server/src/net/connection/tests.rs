//! Order, back-pressure, and ends of a connection whose handlers do what its requests say.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millrace_core::limits;
use millrace_log::disk::RealDisk;
use millrace_types::TimestampMs;
use millrace_wire::ApiKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::super::frame::Frame;
use super::super::listener::serve_stream;
use super::super::service::{ConnectionFacts, Service, Started};
use super::super::{ListenerName, Net, NetOptions};
use crate::clock::Clock;
use crate::env::Env;
use crate::metrics::Stamp;
use crate::refusal::Refusal;
use crate::reply::{Outcome, Reply, ReplyFuture};

/// A request is one byte that says what its handler does, and one that is its number.
const AT_ONCE: u8 = 0;
const OVERLAP: u8 = 1;
const WAIT: u8 = 2;
const SILENT: u8 = 3;
const REFUSE: u8 = 4;

struct Script {
    env: Env,
    net: Net,
    started: Mutex<Vec<u8>>,
    /// Lets answers go that come later, by the number of their request.
    gates: Vec<Arc<Notify>>,
    dropped: Arc<AtomicUsize>,
}

/// Counts futures that were dropped before they had ended.
struct Waiting(Option<Arc<AtomicUsize>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(dropped) = &self.0 {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn reply(number: u8) -> Result<Reply, Refusal> {
    let mut reply = Reply::begin(ApiKey::ApiVersions, 0, number.into());
    reply.seal().expect("a short frame");
    Ok(reply)
}

impl Service for Script {
    fn start(self: &Arc<Self>, _: &Arc<ConnectionFacts>, frame: Frame) -> Result<Started, Refusal> {
        let (what, number) = (frame.bytes[0], frame.bytes[1]);
        self.started.lock().unwrap().push(number);
        let stamp =
            Stamp { key: ApiKey::ApiVersions, request_bytes: 2, received_at: Instant::now() };
        let gate = Arc::clone(&self.gates[usize::from(number) % self.gates.len()]);
        let dropped = Arc::clone(&self.dropped);
        let mut waiting = Waiting(Some(dropped));
        let later: ReplyFuture = Box::pin(async move {
            gate.notified().await;
            waiting.0.take();
            reply(number)
        });
        let outcome = match what {
            OVERLAP => Ok(Outcome::Overlap(later)),
            WAIT => Ok(Outcome::Wait(later)),
            SILENT => Ok(Outcome::Silent),
            REFUSE => Err(Refusal::UnknownApi { key: 999 }),
            _ => reply(number).map(Outcome::Reply),
        };
        Ok(Started { stamp, outcome: Box::pin(std::future::ready(outcome)) })
    }

    fn answered(&self, _: &Stamp, _: usize) {}
    fn refused(&self) {}
    fn net(&self) -> &Net {
        &self.net
    }
    fn env(&self) -> &Env {
        &self.env
    }
}

fn connect(options: NetOptions) -> (Arc<Script>, DuplexStream) {
    let clock = Clock::starting_at(TimestampMs::new(0));
    let service = Arc::new(Script {
        env: Env::simulated(Arc::new(RealDisk), clock, 1),
        net: Net::new(options, 100),
        started: Mutex::default(),
        gates: (0..64).map(|_| Arc::default()).collect(),
        dropped: Arc::default(),
    });
    let client = connect_to(&service);
    (service, client)
}

/// A further connection.
fn connect_to(service: &Arc<Script>) -> DuplexStream {
    let (client, stream) = duplex(64 * 1024);
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    serve_stream(service, ListenerName("TEST".into()), peer, stream);
    client
}

async fn send(client: &mut DuplexStream, requests: &[(u8, u8)]) {
    for (what, number) in requests {
        client.write_all(&[0, 0, 0, 2, *what, *number]).await.unwrap();
    }
}

/// The number of the next answer; `None` at the end of the stream.
async fn receive(client: &mut DuplexStream) -> Option<i32> {
    let mut frame = [0; 8];
    let read = timeout(Duration::from_secs(1), client.read_exact(&mut frame));
    read.await.expect("an answer or the end").ok()?;
    Some(i32::from_be_bytes(*frame.last_chunk().unwrap()))
}

/// Lets all other tasks run until they wait.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn answers_keep_the_order_of_requests_whenever_they_come() {
    let (service, mut client) = connect(NetOptions::default());
    send(&mut client, &[(OVERLAP, 0), (AT_ONCE, 1), (OVERLAP, 2), (SILENT, 3), (AT_ONCE, 4)]).await;
    settle().await;
    assert_eq!(*service.started.lock().unwrap(), [0, 1, 2, 3, 4]);
    service.gates[2].notify_one();
    settle().await;
    service.gates[0].notify_one();
    for number in [0, 1, 2, 4] {
        assert_eq!(receive(&mut client).await, Some(number));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_behind_a_wait_starts_when_that_is_answered() {
    let (service, mut client) = connect(NetOptions::default());
    send(&mut client, &[(OVERLAP, 0), (WAIT, 1), (AT_ONCE, 2), (AT_ONCE, 3)]).await;
    settle().await;
    assert_eq!(*service.started.lock().unwrap(), [0, 1]);
    service.gates[0].notify_one();
    assert_eq!(receive(&mut client).await, Some(0));
    settle().await;
    assert_eq!(*service.started.lock().unwrap(), [0, 1]);
    service.gates[1].notify_one();
    for number in [1, 2, 3] {
        assert_eq!(receive(&mut client).await, Some(number));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_is_waited_for_by_nobody() {
    let (service, mut client) = connect(NetOptions::default());
    send(&mut client, &[(OVERLAP, 0), (WAIT, 1)]).await;
    settle().await;
    drop(client);
    settle().await;
    assert_eq!(service.dropped.load(Ordering::Relaxed), 2);
    assert_eq!(service.net.admission().connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn too_many_unanswered_requests_stay_in_the_socket() {
    let (service, mut client) = connect(NetOptions::default());
    let requests: Vec<(u8, u8)> = (0..60).map(|number| (OVERLAP, number)).collect();
    send(&mut client, &requests).await;
    settle().await;
    assert_eq!(service.started.lock().unwrap().len(), limits::CONNECTION_REQUESTS_MAX);
    for gate in &service.gates {
        gate.notify_one();
    }
    for number in 0..60 {
        assert_eq!(receive(&mut client).await, Some(number));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_ends_the_connection() {
    let (service, mut client) = connect(NetOptions::default());
    send(&mut client, &[(AT_ONCE, 0), (REFUSE, 1), (AT_ONCE, 2)]).await;
    settle().await;
    assert_eq!(*service.started.lock().unwrap(), [0, 1]);
    assert_eq!(receive(&mut client).await, Some(0));
    assert_eq!(receive(&mut client).await, None);
}

#[tokio::test(start_paused = true)]
async fn draining_finishes_what_is_queued_and_lets_waits_go() {
    let (service, mut client) = connect(NetOptions::default());
    let (_, mut idle) = connect(NetOptions::default());
    send(&mut client, &[(OVERLAP, 0), (AT_ONCE, 1), (WAIT, 2)]).await;
    settle().await;
    let closing = tokio::spawn({
        let service = Arc::clone(&service);
        async move { service.net.close().await }
    });
    settle().await;
    send(&mut client, &[(AT_ONCE, 3)]).await;
    service.gates[0].notify_one();
    assert_eq!(receive(&mut client).await, Some(0));
    assert_eq!(receive(&mut client).await, Some(1));
    assert_eq!(receive(&mut client).await, None);
    closing.await.unwrap();
    assert_eq!(*service.started.lock().unwrap(), [0, 1, 2]);
    idle.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_append_that_never_ends_is_cut_when_the_grace_is_over() {
    let (service, mut client) = connect(NetOptions::default());
    send(&mut client, &[(OVERLAP, 0)]).await;
    settle().await;
    let began = Instant::now();
    service.net.close().await;
    assert_eq!(began.elapsed().as_millis(), u128::from(limits::SHUTDOWN_DRAIN_MS_MAX));
    assert_eq!(receive(&mut client).await, None);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_us_is_not_idle_and_who_does_not_read_is() {
    let idle_max = Some(Duration::from_millis(100));
    let (service, mut client) = connect(NetOptions { idle_max, ..NetOptions::default() });
    send(&mut client, &[(WAIT, 0)]).await;
    tokio::time::sleep(Duration::from_millis(950)).await;
    service.gates[0].notify_one();
    assert_eq!(receive(&mut client).await, Some(0));
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(receive(&mut client).await, None);

    let (service, mut client) = connect(NetOptions { idle_max, ..NetOptions::default() });
    // 20,000 answers of 8 bytes do not fit the pipe, and the client reads none.
    for _ in 0..200 {
        let requests: Vec<(u8, u8)> = (0..100).map(|number| (AT_ONCE, number)).collect();
        if timeout(Duration::from_millis(10), send(&mut client, &requests)).await.is_err() {
            break;
        }
    }
    assert_eq!(service.net.admission().connections(), 1);
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(service.net.admission().connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_large_frame_behind_a_wait_gives_way_to_others() {
    let (service, mut parked) = connect(NetOptions::default());
    send(&mut parked, &[(WAIT, 1)]).await;
    let mut large = (5_i32 << 20).to_be_bytes().to_vec();
    large.resize(4 + (5 << 20), AT_ONCE);
    // Complete, and not to be started before the wait ends.
    parked.write_all(&large).await.unwrap();
    settle().await;
    assert_eq!(*service.started.lock().unwrap(), [1]);
    let mut other = connect_to(&service);
    other.write_all(&large).await.unwrap();
    assert_eq!(receive(&mut other).await, Some(0));
    assert_eq!(receive(&mut parked).await, None);
}
