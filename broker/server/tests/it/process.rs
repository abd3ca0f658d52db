//! A broker in a process of its own: what its memory, descriptors and signals do.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::{Client, SOON};

/// A child process that ends with the test.
pub struct BrokerProcess {
    child: Child,
    address: SocketAddr,
    dir: TempDir,
}

impl BrokerProcess {
    /// Starts a broker and waits until it listens.
    pub fn start() -> BrokerProcess {
        let dir = tempfile::tempdir().expect("a directory");
        let (child, address) = spawn(&dir, "127.0.0.1:0");
        BrokerProcess { child, address, dir }
    }

    /// Ends it without notice; nothing listens then.
    pub fn kill(&mut self) {
        self.child.kill().expect("a process");
        self.child.wait().expect("an end");
    }

    /// Starts it where it was, on the data that it had.
    pub fn start_again(&mut self) {
        (self.child, self.address) = spawn(&self.dir, &self.address.to_string());
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.expect("a connection") }
    }

    /// Resident memory, in KiB.
    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("a process of Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

fn spawn(dir: &TempDir, listen: &str) -> (Child, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_millrace-broker"))
        .args(["start", "--override", "node.id=1"])
        .args(["--override", &format!("listeners=PLAINTEXT://{listen}")])
        .args(["--override", &format!("log.dirs={}", dir.path().join("data").display())])
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let address = lines
        .find_map(|line| {
            let line = line.expect("a line");
            line.contains("listening").then(|| line.rsplit_once("address=").map(at))?
        })
        .expect("the broker listens");
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (child, address)
}

fn at((_, address): (&str, &str)) -> SocketAddr {
    address.trim().parse().expect("an address")
}

impl Drop for BrokerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn ten_thousand_idle_connections_are_cheap() {
    millrace_server::process::raise_open_files_limit();
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let count = limit.saturating_sub(500).min(10_000);
    let broker = BrokerProcess::start();
    broker.connect().await.assert_is_served().await;
    let before = broker.resident_kib();
    let mut clients = Vec::new();
    for number in 0..count {
        let mut client = broker.connect().await;
        if number % 100 == 0 {
            // The backlog of a listener is shorter than this loop.
            client.assert_is_served().await;
        }
        clients.push(client);
    }
    broker.connect().await.assert_is_served().await;
    let kib_each = (broker.resident_kib() - before) as f64 / count as f64;
    println!("{count} idle connections take {kib_each:.2} KiB each");
    assert!(kib_each < 4.0, "{kib_each:.2} KiB a connection");
    for client in clients.iter_mut().step_by(997) {
        client.assert_is_served().await;
    }
}

#[tokio::test]
async fn without_file_descriptors_the_broker_serves_those_it_has_and_recovers() {
    let broker = BrokerProcess::start();
    let mut first = broker.connect().await;
    first.assert_is_served().await;
    let pid = Some(broker.pid());
    let open = fs::read_dir(format!("/proc/{}/fd", broker.child.id())).expect("fds").count();
    let few = Rlimit { current: Some(open as u64 + 4), maximum: Some(20_000) };
    prlimit(pid, Resource::Nofile, few).expect("a limit");
    // The system accepts these, the broker cannot.
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(broker.connect().await);
    }
    for _ in 0..20 {
        first.assert_is_served().await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // Those that go make room for those that wait.
    let mut last = waiting.pop().expect("one of 20");
    drop(waiting);
    last.assert_is_served().await;
    first.assert_is_served().await;
}

#[tokio::test]
async fn a_signal_ends_the_broker_without_error() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut broker = BrokerProcess::start();
        broker.connect().await.assert_is_served().await;
        let began = Instant::now();
        kill_process(broker.pid(), signal).expect("a signal");
        let status = broker.child.wait().expect("an end");
        assert!(status.success(), "{status}");
        assert!(began.elapsed() < SOON);
    }
}
