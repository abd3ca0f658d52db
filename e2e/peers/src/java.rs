//! Apache Kafka's jars, and Java programs compiled against them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cache, clients_dir, run};

/// The version of Apache Kafka that everything is compared with.
pub const KAFKA_VERSION: &str = "4.3.1";

/// Flags that make a short-lived JVM start fast.
pub const FAST_START: [&str; 3] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"];

/// Fetches the jars of Apache Kafka: broker, clients, tools and what they need; the folder of them.
///
/// # Errors
/// Maven cannot be run or cannot reach its registry.
pub fn kafka_jars() -> Result<PathBuf> {
    let pom = clients_dir().join("java/pom.xml");
    let inputs = cache::input(&pom)?;
    let dir = cache::entry("kafka", &[&inputs], |dir| {
        run(Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(&pom)
            .arg("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies")
            .arg("-DincludeScope=runtime")
            .arg(format!("-DoutputDirectory={}", dir.join("lib").display())))
        .map(drop)
    })?;
    Ok(dir.join("lib"))
}

/// The class path of all of Apache Kafka's jars.
///
/// # Errors
/// As [`kafka_jars`].
pub fn kafka_class_path() -> Result<OsString> {
    let mut path = kafka_jars()?.into_os_string();
    path.push("/*");
    Ok(path)
}

/// Compiles the Java sources of `dir` (this folder only) against Kafka's jars; the class path that
/// runs them.
///
/// # Errors
/// The jars cannot be had, or the compiler refuses a source.
pub fn compile(dir: &Path) -> Result<OsString> {
    let mut sources = Vec::new();
    let entries = std::fs::read_dir(dir).with_context(|| format!("no {}", dir.display()))?;
    for file in entries {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "java") {
            sources.push(path);
        }
    }
    sources.sort();
    let texts = sources.iter().map(|path| cache::input(path)).collect::<Result<Vec<_>>>()?;
    let mut inputs: Vec<&str> = texts.iter().map(String::as_str).collect();
    inputs.push(KAFKA_VERSION);
    let jars = kafka_class_path()?;
    let classes = cache::entry("java-classes", &inputs, |dir| {
        let mut javac = Command::new("javac");
        javac.args(["-nowarn", "-encoding", "UTF-8", "-cp"]).arg(&jars).arg("-d").arg(dir);
        run(javac.args(&sources)).map(drop)
    })?;
    let mut path = classes.into_os_string();
    path.push(":");
    path.push(jars);
    Ok(path)
}

/// A command that runs `main_class` of `class_path` in a JVM that starts fast.
pub fn command(class_path: &OsString, main_class: &str) -> Command {
    let mut command = Command::new("java");
    command.args(FAST_START).arg("-cp").arg(class_path).arg(main_class);
    command
}
