//! What runs the nodes: a container engine with kind, kubectl, helm and a node image.
//!
//! Where these are at hand or can be pulled, they are taken. Where only package registries can be
//! reached, `e2e/kind/up` makes all of them; that takes its time once.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use millrace_peers::{cache, run};

/// Published node images that are pulled where none is here.
const NODE_IMAGE: &str = "kindest/node:v1.36.3";

/// An engine that is ready for `kind create cluster`.
#[derive(Clone, Debug)]
pub struct Engine {
    /// What kind, kubectl, helm and the tests need in their environment.
    pub environment: Vec<(String, String)>,
    /// The image of the nodes.
    pub node_image: String,
    /// Whether we made it, so that we have to clear it away.
    is_ours: bool,
}

impl Engine {
    /// The engine, if there is one or it can be had without long preparations; else what is missing.
    ///
    /// # Errors
    /// The preparations that were made once cannot be used any more.
    pub fn at_hand() -> Result<Result<Engine, String>> {
        let missing = match published() {
            Ok(engine) => return Ok(Ok(engine)),
            Err(missing) => missing,
        };
        let check = Command::new(script("up")).arg("--check").output()?;
        if check.status.success() {
            Engine::make("", Stdio::null()).map(Ok)
        } else {
            Ok(Err(missing))
        }
    }

    /// The engine, made first where it has to be; `progress` takes what that says, `nice` stands
    /// before the long builds.
    ///
    /// # Errors
    /// It can neither be had nor made.
    pub fn make(nice: &str, progress: impl Into<Stdio>) -> Result<Engine> {
        if let Ok(engine) = published() {
            return Ok(engine);
        }
        let output = Command::new(script("up"))
            .env("KIND_HERE_NICE", nice)
            .stdin(Stdio::null())
            .stderr(progress)
            .output()
            .context("cannot start e2e/kind/up")?;
        if !output.status.success() {
            bail!("e2e/kind/up ended with {}; its log tells why", output.status);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let mut environment = Vec::new();
        for line in text.lines() {
            let assignment = line.strip_prefix("export ").and_then(|line| line.split_once('='));
            let (name, value) = assignment.with_context(|| format!("up printed {line:?}"))?;
            environment.push((name.to_owned(), expanded(value)));
        }
        let node_image = environment.iter().find(|(name, _)| name == "KIND_NODE_IMAGE");
        let (_, node_image) = node_image.context("up told no node image")?.clone();
        Ok(Engine { environment, node_image, is_ours: true })
    }

    /// A command with the engine's environment.
    pub fn command(&self, program: &str) -> Command {
        // A program is looked up in this process's path, not in the one that it is given.
        let path = self.environment.iter().find(|(name, _)| name == "PATH");
        let found = path.and_then(|(_, path)| {
            std::env::split_paths(path).map(|dir| dir.join(program)).find(|file| file.is_file())
        });
        let mut command = Command::new(found.unwrap_or_else(|| PathBuf::from(program)));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Stops the engine and undoes what it changed on this machine, if it is one that we made.
    ///
    /// # Errors
    /// It does not stop.
    pub fn stop(&self) -> Result<()> {
        if self.is_ours {
            run(&mut Command::new(script("down")))?;
        }
        Ok(())
    }
}

/// Takes the right to change this machine's engine; others wait until the file is dropped.
///
/// # Errors
/// The cache cannot be written.
pub fn lock() -> Result<File> {
    let file = lock_file()?;
    file.lock()?;
    Ok(file)
}

/// As [`lock`], but gives none instead of waiting.
///
/// # Errors
/// The cache cannot be written.
pub fn try_lock() -> Result<Option<File>> {
    let file = lock_file()?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn lock_file() -> Result<File> {
    let dir = cache::dir();
    fs::create_dir_all(&dir)?;
    Ok(File::create(dir.join("e2e.lock"))?)
}

/// A program of the engine's, such as helm, also where no engine runs; none where it was never made.
pub fn program(name: &str) -> Option<PathBuf> {
    let made = match std::env::var_os("MILLRACE_KIND_CACHE") {
        Some(dir) => PathBuf::from(dir),
        None => cache::dir().join("kind"),
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<_> = std::env::split_paths(&path).collect();
    dirs.push(made.join("bin"));
    dirs.into_iter().map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// An engine of this machine's own; else what is missing.
fn published() -> Result<Engine, String> {
    for (program, argument) in
        [("docker", "info"), ("kind", "version"), ("kubectl", "--help"), ("helm", "version")]
    {
        if run(Command::new(program).arg(argument)).is_err() {
            return Err(format!("`{program} {argument}` does not answer"));
        }
    }
    let words = ["image", "ls", "kindest/node", "--format={{.Repository}}:{{.Tag}}"];
    let images = run(Command::new("docker").args(words)).unwrap_or_default();
    let here = images.lines().find(|name| !name.ends_with("<none>"));
    let node_image = match here {
        Some(name) => name.to_owned(),
        None if run(Command::new("docker").args(["pull", NODE_IMAGE])).is_ok() => {
            NODE_IMAGE.to_owned()
        }
        None => return Err(format!("{NODE_IMAGE} cannot be pulled")),
    };
    Ok(Engine { environment: Vec::new(), node_image, is_ours: false })
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../kind").join(name)
}

/// `up` prints for a shell: the one variable that it uses is the path.
fn expanded(value: &str) -> String {
    value.replace("$PATH", &std::env::var("PATH").unwrap_or_default())
}
