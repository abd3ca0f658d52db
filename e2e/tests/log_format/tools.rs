//! Kafka's own software, run on directories.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_peers::kafka::{Kafka, Options};
use millrace_peers::{cache, clients_dir, java, run};

use crate::reading::Isolation;

/// Runs `DumpLogSegments` on files; what it prints.
pub fn dump(files: &[PathBuf], arguments: &[&str]) -> Result<String> {
    let names: Vec<OsString> = files.iter().map(|path| path.clone().into_os_string()).collect();
    let class_path = java::kafka_class_path()?;
    let mut command = java::command(&class_path, "org.apache.kafka.tools.DumpLogSegments");
    command.args(arguments).arg("--files").arg(names.join(&OsString::from(",")));
    run(&mut command)
}

/// The program in `e2e/clients/java/log_format`.
fn program(arguments: &[&str]) -> Result<String> {
    let class_path = java::compile(&clients_dir().join("java/log_format"))?;
    run(java::command(&class_path, "LogFormat").args(arguments))
}

/// Fills topics through a broker of Apache Kafka.
pub fn write(kafka: &Kafka) -> Result<()> {
    program(&["write", &kafka.bootstrap()]).map(drop)
}

/// What a Java consumer reads from each topic.
pub fn read(bootstrap: &str, isolation: Isolation, topics: &[&str]) -> Result<Vec<Vec<String>>> {
    by_topic(&program(&[&["read", bootstrap, isolation.level()], topics].concat())?, topics)
}

/// Makes the topics of [`write`] at another broker, empty, and that of the groups' offsets.
pub fn prepare(bootstrap: &str) -> Result<()> {
    program(&["prepare", bootstrap]).map(drop)
}

/// Writes a little more to topics, idempotently; the lines that [`read`] will add.
pub fn append(bootstrap: &str, topics: &[&str]) -> Result<Vec<Vec<String>>> {
    by_topic(&program(&[&["append", bootstrap], topics].concat())?, topics)
}

/// What the group of [`write`] has committed.
pub fn offsets(bootstrap: &str) -> Result<String> {
    program(&["offsets", bootstrap])
}

fn by_topic(text: &str, topics: &[&str]) -> Result<Vec<Vec<String>>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        if line.starts_with("topic ") {
            all.push(Vec::new());
        } else {
            all.last_mut().context("a line before the first topic")?.push(line.to_owned());
        }
    }
    ensure!(all.len() == topics.len(), "{} topics were read, not {}", all.len(), topics.len());
    Ok(all)
}

/// A broker of Apache Kafka that says what it has to complain of.
pub fn start(dir: &Path) -> Result<Kafka> {
    let mut options = Options::new(dir)?;
    options.jvm.push(format!("-Xbootclasspath/a:{}", logging()?));
    options.jvm.push("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned());
    for (key, value) in [
        ("offsets.topic.num.partitions", "1"),
        ("transaction.state.log.num.partitions", "1"),
        ("log.cleaner.backoff.ms", "200"),
        ("log.initial.task.delay.ms", "500"),
    ] {
        options.properties.push((key.to_owned(), value.to_owned()));
    }
    Kafka::start(options)
}

/// Kafka's jars bring no logger, and without one it says nothing.
fn logging() -> Result<String> {
    const VERSION: &str = "1.7.36";
    let dir = cache::entry("slf4j-simple", &[VERSION], |dir| {
        run(Command::new("mvn")
            .args(["-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"])
            .arg(format!("-Dartifact=org.slf4j:slf4j-simple:{VERSION}"))
            .arg(format!("-DoutputDirectory={}", dir.display())))
        .map(drop)
    })?;
    let api = java::kafka_jars()?.join(format!("slf4j-api-{VERSION}.jar"));
    ensure!(api.exists(), "Kafka comes with another slf4j than {VERSION}");
    Ok(format!("{}:{}", api.display(), dir.join(format!("slf4j-simple-{VERSION}.jar")).display()))
}

/// Ends a broker as an operator does, so that it closes its logs.
pub fn stop(mut kafka: Kafka) -> Result<()> {
    let id = i32::try_from(kafka.id()).ok().and_then(rustix::process::Pid::from_raw);
    let id = id.context("the broker has no process id")?;
    rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
    let start = Instant::now();
    while kafka.ended()?.is_none() {
        ensure!(start.elapsed() < Duration::from_secs(60), "Kafka does not stop");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
