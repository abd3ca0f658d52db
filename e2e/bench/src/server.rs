//! The brokers that are measured: ours and Apache Kafka's, each as its users run it.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use millrace_peers::kafka::{self, Kafka};
use millrace_peers::ports;

/// The one config that is not a default: what a run wrote is gone before the next one begins, from
/// the disk and from the memory that the system lends to files.
const DELETE_SOON: (&str, &str) = ("log.segment.delete.delay.ms", "0");

/// Whose broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Ours.
    Millrace,
    /// Apache's.
    Kafka,
}

/// A running broker; killed when dropped.
pub struct Server {
    /// Whose.
    pub maker: Maker,
    running: Running,
    port: u16,
}

enum Running {
    Millrace(Child),
    Kafka(Kafka),
}

impl Server {
    /// Starts a broker on the data in `dir`, with its own defaults, and waits for its port.
    pub fn start(maker: Maker, dir: &Path) -> Result<Server> {
        fs::create_dir_all(dir)?;
        if maker == Maker::Kafka {
            let mut options = kafka::Options::new(dir)?;
            // What Kafka's own start script gives it.
            options.jvm = vec!["-Xms1G".to_owned(), "-Xmx1G".to_owned()];
            let (name, value) = DELETE_SOON;
            options.properties.push((name.to_owned(), value.to_owned()));
            let port = options.port;
            return Ok(Server { maker, running: Running::Kafka(Kafka::start(options)?), port });
        }
        let port = ports::free()?;
        let config = dir.join("server.properties");
        let (name, value) = DELETE_SOON;
        let text = format!(
            "node.id=1\nlisteners=PLAINTEXT://127.0.0.1:{port}\nlog.dirs={}\n{name}={value}\n",
            dir.join("data").display()
        );
        fs::write(&config, text)?;
        let output = File::options().create(true).append(true).open(dir.join("output"))?;
        let child = Command::new(millrace_binary()?)
            .args(["start", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot start millrace-broker")?;
        let mut server = Server { maker, running: Running::Millrace(child), port };
        server.wait_for_port(dir)?;
        Ok(server)
    }

    fn wait_for_port(&mut self, dir: &Path) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Running::Millrace(child) = &mut self.running
                && let Some(status) = child.try_wait()?
            {
                bail!("the broker ended with {status}; see {}", dir.join("output").display());
            }
            if start.elapsed() > Duration::from_secs(120) {
                bail!("no open port {} after 120 s", self.port);
            }
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The process.
    pub fn id(&self) -> u32 {
        match &self.running {
            Running::Millrace(child) => child.id(),
            Running::Kafka(kafka) => kafka.id(),
        }
    }

    /// Ends the process at once (SIGKILL).
    pub fn kill(mut self) -> Result<()> {
        if let Running::Millrace(child) = &mut self.running {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Running::Millrace(child) = &mut self.running {
            // Fails only for a process that has ended and been waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The release binary beside this one's target folder; `$MILLRACE_BROKER` if that is set.
fn millrace_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("MILLRACE_BROKER") {
        return Ok(PathBuf::from(path));
    }
    let own = std::env::current_exe()?;
    let path = own.with_file_name("millrace-broker");
    if !path.exists() {
        bail!("{} is missing: cargo build --release --package millrace-server", path.display());
    }
    Ok(path)
}
