//! One broker as a process: started, killed, stopped, frozen, and started again on its data.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use millrace_peers::kafka::Kafka;
use millrace_peers::{kafka, ports};
use rustix::process::{Pid, Signal, kill_process};

/// How long Millrace may take from its start to an open port.
const START_MAX: Duration = Duration::from_secs(30);
/// How long a broker may take to stop after SIGTERM.
const STOP_MAX: Duration = Duration::from_secs(30);

/// Whose broker the tests run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Our own, built in release mode from this tree.
    Millrace,
    /// Apache Kafka, to prove the tests themselves.
    Kafka,
}

impl Target {
    /// Reads `MILLRACE_E2E_TARGET`; Millrace unless told otherwise.
    ///
    /// # Errors
    /// The variable holds another word than `millrace` or `kafka`.
    pub fn from_env() -> Result<Target> {
        match std::env::var("MILLRACE_E2E_TARGET").as_deref() {
            Err(_) | Ok("millrace") => Ok(Target::Millrace),
            Ok("kafka") => Ok(Target::Kafka),
            Ok(other) => {
                bail!("MILLRACE_E2E_TARGET={other}, but only millrace and kafka are known")
            }
        }
    }
}

enum Running {
    Millrace(Child),
    Kafka(Kafka),
    Nothing,
}

/// A broker and its folder; ended and removed when dropped, kept when the test fails.
pub struct Broker {
    target: Target,
    running: Running,
    port: u16,
    dir: PathBuf,
    log_dir: PathBuf,
    properties: Vec<(String, String)>,
    owned_dir: Option<tempfile::TempDir>,
}

/// The settings of all tests: short waits, old time stamps kept.
const PROPERTIES: [(&str, &str); 5] = [
    ("offsets.topic.replication.factor", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
    ("log.retention.ms", "-1"),
    ("offsets.topic.num.partitions", "10"),
];

impl Broker {
    /// Starts the target's broker on an empty folder of its own.
    ///
    /// # Errors
    /// The broker cannot be built or started.
    pub fn start() -> Result<Broker> {
        Broker::start_with(&[])
    }

    /// As [`Broker::start`], with further lines of `server.properties`.
    ///
    /// # Errors
    /// The broker cannot be built or started.
    pub fn start_with(properties: &[(&str, &str)]) -> Result<Broker> {
        let dir = tempfile::Builder::new().prefix("millrace-e2e-").tempdir()?;
        let log_dir = dir.path().join("data");
        let mut broker = Broker::prepare(dir.path(), &log_dir, properties)?;
        broker.owned_dir = Some(dir);
        broker.restart()?;
        Ok(broker)
    }

    /// A broker that is not started yet, with its data in a folder that the caller owns.
    ///
    /// # Errors
    /// There is no free port.
    pub fn prepare(dir: &Path, log_dir: &Path, properties: &[(&str, &str)]) -> Result<Broker> {
        let all = PROPERTIES.iter().chain(properties);
        Ok(Broker {
            target: Target::from_env()?,
            running: Running::Nothing,
            port: ports::free()?,
            dir: dir.to_owned(),
            log_dir: log_dir.to_owned(),
            properties: all.map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
            owned_dir: None,
        })
    }

    /// Starts the broker on the data and the port it had; it must not be running.
    ///
    /// # Errors
    /// It ends at once or has no open port in time.
    pub fn restart(&mut self) -> Result<()> {
        self.running = match self.target {
            Target::Millrace => Running::Millrace(self.start_millrace()?),
            Target::Kafka => {
                let mut options = kafka::Options::new(&self.dir)?;
                options.port = self.port;
                options.properties.clone_from(&self.properties);
                options.data_dir.clone_from(&self.log_dir);
                Running::Kafka(Kafka::start(options)?)
            }
        };
        Ok(())
    }

    fn start_millrace(&self) -> Result<Child> {
        let mut text = format!(
            "node.id=1\nlisteners=PLAINTEXT://127.0.0.1:{port}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\nlog.dirs={dir}\n",
            port = self.port,
            dir = self.log_dir.display(),
        );
        for (key, value) in &self.properties {
            text.push_str(&format!("{key}={value}\n"));
        }
        let config = self.dir.join("server.properties");
        fs::write(&config, text)?;
        let output = File::options().create(true).append(true).open(self.dir.join("output"))?;
        let mut child = Command::new(millrace_binary()?)
            .args(["start", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start millrace-broker")?;
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("the broker ended with {status}:\n{}", self.output_tail());
            }
            if start.elapsed() > START_MAX {
                end(&mut child);
                bail!("no open port {} after {START_MAX:?}:\n{}", self.port, self.output_tail());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(child)
    }

    /// The address for clients.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Whose broker this is.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The folder of the partitions.
    pub fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    /// The process, for signals and figures; none while it is not running.
    pub fn id(&self) -> Option<u32> {
        match &self.running {
            Running::Millrace(child) => Some(child.id()),
            Running::Kafka(kafka) => Some(kafka.id()),
            Running::Nothing => None,
        }
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    /// The broker is not running.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.id().ok_or_else(|| anyhow!("the broker is not running"))?;
        let pid = Pid::from_raw(i32::try_from(id)?).ok_or_else(|| anyhow!("process id {id}"))?;
        Ok(kill_process(pid, signal)?)
    }

    /// Ends the process at once, as a crash does (SIGKILL).
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.running, Running::Nothing) {
            Running::Millrace(mut child) => {
                child.kill()?;
                child.wait()?;
            }
            Running::Kafka(kafka) => drop(kafka.kill()?),
            Running::Nothing => {}
        }
        Ok(())
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// It has not ended in time.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let start = Instant::now();
        while self.ended()?.is_none() {
            if start.elapsed() > STOP_MAX {
                bail!("not ended {STOP_MAX:?} after SIGTERM:\n{}", self.output_tail());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.running = Running::Nothing;
        Ok(())
    }

    /// The status with which the process has ended, if it has.
    ///
    /// # Errors
    /// The process cannot be asked for.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        match &mut self.running {
            Running::Millrace(child) => Ok(child.try_wait()?),
            Running::Kafka(kafka) => kafka.ended(),
            Running::Nothing => Ok(None),
        }
    }

    /// All that the broker printed.
    pub fn output(&self) -> String {
        let text = fs::read(self.dir.join("output")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The last lines that the broker printed.
    pub fn output_tail(&self) -> String {
        let text = self.output();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Running::Millrace(child) = &mut self.running {
            end(child);
        }
        if std::thread::panicking()
            && let Some(dir) = self.owned_dir.take()
        {
            let dir = dir.keep();
            say(&format!("broker's files kept in {}\n{}", dir.display(), self.output_tail()));
        }
    }
}

fn end(child: &mut Child) {
    // Fails only for a process that has ended and been waited for.
    let _ = child.kill();
    let _ = child.wait();
}

#[expect(clippy::print_stdout, reason = "the test's own output")]
fn say(text: &str) {
    println!("{text}");
}

/// The release binary of this tree, built first if need be; `$MILLRACE_BROKER` if that is set.
///
/// # Errors
/// The build fails.
pub fn millrace_binary() -> Result<PathBuf> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(path) = std::env::var_os("MILLRACE_BROKER") {
        return Ok(PathBuf::from(path));
    }
    let built = BINARY.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow!(error))
}

fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(cargo)
        .args(["build", "--release", "--package", "millrace-server", "--message-format=json"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut binary = None;
    let lines = child.stdout.take().context("cargo's output")?;
    for line in BufReader::new(lines).lines() {
        // The one artifact with an executable path is the broker.
        if let Some((_, rest)) = line?.split_once("\"executable\":\"")
            && let Some((path, _)) = rest.split_once('"')
        {
            binary = Some(PathBuf::from(path));
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("building the broker ended with {status}");
    }
    binary.context("cargo named no broker")
}
