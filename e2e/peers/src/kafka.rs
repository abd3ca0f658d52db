//! Apache Kafka itself, one broker in KRaft mode: the yardstick of tests and benchmarks.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{java, ports, run};

/// How long a broker may take from its start to an open port.
const START_MAX: Duration = Duration::from_secs(60);

/// What a broker of Apache Kafka is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where configuration and the broker's own output go.
    pub dir: PathBuf,
    /// The folder of the partitions.
    pub data_dir: PathBuf,
    /// The port of the listener for clients, on loopback.
    pub port: u16,
    /// Flags for the JVM; Kafka's own default heap is `-Xms1G -Xmx1G`.
    pub jvm: Vec<String>,
    /// Further lines of `server.properties`; a later line wins.
    pub properties: Vec<(String, String)>,
}

/// A running broker of Apache Kafka; killed when dropped.
pub struct Kafka {
    child: Child,
    /// What it was started with.
    pub options: Options,
}

impl Options {
    /// Kafka's own defaults, under `dir`, on a free port.
    ///
    /// # Errors
    /// There is no free port.
    pub fn new(dir: &Path) -> Result<Options> {
        Ok(Options {
            dir: dir.to_owned(),
            data_dir: dir.join("data"),
            port: ports::free()?,
            jvm: vec!["-Xms512m".to_owned(), "-Xmx1g".to_owned()],
            properties: Vec::new(),
        })
    }

    fn server_properties(&self, controller_port: u16) -> String {
        let mut text = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.listener.names=CONTROLLER\n\
             controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
             log.dirs={data}\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n",
            port = self.port,
            data = self.data_dir.display(),
        );
        for (key, value) in &self.properties {
            text.push_str(&format!("{key}={value}\n"));
        }
        text
    }
}

impl Kafka {
    /// Formats the data folder if it is new, starts the broker and waits until its port is open.
    ///
    /// # Errors
    /// The jars cannot be had, or the broker ends or is not there after a minute.
    pub fn start(options: Options) -> Result<Kafka> {
        let class_path = java::kafka_class_path()?;
        fs::create_dir_all(&options.dir)?;
        let config = options.dir.join("server.properties");
        fs::write(&config, options.server_properties(ports::free()?))?;
        if !options.data_dir.join("meta.properties").exists() {
            let mut format = java::command(&class_path, "kafka.tools.StorageTool");
            run(format.args(["format", "-t", "Millrace-Yardstick-A", "-c"]).arg(&config))?;
        }
        let output = File::options().create(true).append(true).open(options.dir.join("output"))?;
        let mut command = Command::new("java");
        command.args(&options.jvm).arg("-cp").arg(&class_path).arg("kafka.Kafka").arg(&config);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().context("cannot start java")?;
        let mut kafka = Kafka { child, options };
        kafka.wait_for_port()?;
        Ok(kafka)
    }

    /// The process, for signals and figures.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The address for clients.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.options.port)
    }

    /// Ends the process at once (SIGKILL) and gives back what it was started with.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub fn kill(mut self) -> Result<Options> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(self.options.clone())
    }

    /// The status with which the process has ended, if it has.
    ///
    /// # Errors
    /// The process cannot be asked for.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    fn wait_for_port(&mut self) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.options.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("Kafka ended with {status}; see {}/output", self.options.dir.display());
            }
            if start.elapsed() > START_MAX {
                bail!("Kafka has no open port {} after {START_MAX:?}", self.options.port);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // Fails only for a process that has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
