//! `cargo xtask image`: the images of broker and operator, made without Docker.
//!
//! A static program, a handful of small files and nothing else: no shell, no C library, no packages
//! to keep patched. [`elf`] makes sure that the program needs none, [`layer`] and [`archive`] write
//! the file. The same sources give the same bytes. `Dockerfile` makes the same for those who have
//! Docker.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use millrace_peers::go;

use crate::step::{cargo, root, run as step, say};

mod archive;
mod elf;
mod layer;

use archive::Image;
use layer::{Layer, USER};

/// Where the programs are built to, under `target`.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// Registry and project that the images are named with.
const PREFIX: &str = "docker.io/millrace";

/// A program that is shipped as an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The last word of the image's name.
    pub name: &'static str,
    package: &'static str,
    description: &'static str,
    ports: &'static [u16],
    /// A directory that the program may write to where no volume is mounted.
    data: Option<&'static str>,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 2] = [
        Part {
            name: "broker",
            package: "millrace-server",
            description: "A broker that every Kafka client takes for Kafka",
            ports: &[9092, 9644],
            data: Some("var/lib/millrace"),
        },
        Part {
            name: "operator",
            package: "millrace-operator",
            description: "Makes Kubernetes run Millrace clusters and their topics",
            ports: &[8080],
            data: None,
        },
    ];

    /// The program's file name.
    pub fn binary(self) -> String {
        format!("millrace-{}", self.name)
    }
}

/// An archive that was written.
#[derive(Clone, Debug)]
pub struct Built {
    /// The last word of its name, `broker`.
    pub part: String,
    /// First digits of the archive's SHA-256.
    pub digest: String,
    /// The archive.
    pub path: PathBuf,
}

/// Builds the programs statically and writes `target/images/NAME.tar` of each.
///
/// # Errors
/// A program does not build or is not static, or an archive cannot be written.
pub fn build() -> Result<Vec<Built>> {
    let programs = programs()?;
    Part::ALL
        .into_iter()
        .filter(|part| is_there(*part))
        .map(|part| {
            let program = fs::read(programs.join(part.binary()))
                .with_context(|| format!("no {}", part.binary()))?;
            write(&image(part, program)?)
        })
        .collect()
}

/// Writes the image of the foreign client that tests run inside of clusters: franz-go's.
///
/// # Errors
/// The client cannot be built or the archive cannot be written.
pub fn build_client() -> Result<Built> {
    let program = fs::read(go::binary()?)?;
    ensure!(elf::is_static(&program)?, "the Go client is not static");
    let mut layer = base();
    layer.program("usr/local/bin/client", program);
    write(&Image {
        name: format!("{PREFIX}/e2e-client:{}", env!("CARGO_PKG_VERSION")),
        entrypoint: "/usr/local/bin/client".to_owned(),
        arguments: Vec::new(),
        ports: Vec::new(),
        labels: BTreeMap::new(),
        layer,
    })
}

/// Builds all parts statically; the directory of the programs.
///
/// # Errors
/// Something does not build.
pub fn programs() -> Result<PathBuf> {
    let target = target_dir()?;
    let mut build = cargo(&["build", "--release", "--locked", "--target", TRIPLE]);
    for part in Part::ALL.into_iter().filter(|part| is_there(*part)) {
        build.args(["--package", part.package]);
    }
    // Paths of this machine would make the bytes differ between two machines.
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))?;
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Cstrip=symbols".to_owned(),
        format!("--remap-path-prefix={}=/millrace", root().display()),
        format!("--remap-path-prefix={home}=/cargo"),
    ];
    build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env_remove("RUSTFLAGS");
    if !step("static programs", &mut build)? {
        bail!("the static programs do not build");
    }
    Ok(target.join(TRIPLE).join("release"))
}

fn is_there(part: Part) -> bool {
    part.name != "operator" || root().join("operator/Cargo.toml").exists()
}

/// Where cargo builds to.
///
/// # Errors
/// cargo does not tell.
pub fn target_dir() -> Result<PathBuf> {
    let words = ["metadata", "--format-version", "1", "--no-deps", "--locked"];
    let output = cargo(&words).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let path = metadata["target_directory"].as_str().context("cargo names no target directory")?;
    Ok(PathBuf::from(path))
}

fn image(part: Part, program: Vec<u8>) -> Result<Image> {
    ensure!(elf::is_static(&program)?, "{} is not static", part.binary());
    let path = format!("usr/local/bin/{}", part.binary());
    let mut layer = base();
    layer.program(&path, program);
    layer.file("usr/share/licenses/millrace/LICENSE", fs::read(root().join("LICENSE"))?);
    if let Some(data) = part.data {
        layer.directory(data, 0o750, USER);
    }
    let version = env!("CARGO_PKG_VERSION");
    let mut labels = BTreeMap::from([
        ("title", part.binary()),
        ("description", part.description.to_owned()),
        ("version", version.to_owned()),
        ("licenses", "Apache-2.0".to_owned()),
    ]);
    if let Some(revision) = revision() {
        labels.insert("revision", revision);
    }
    let label = |(key, value)| (format!("org.opencontainers.image.{key}"), value);
    Ok(Image {
        name: format!("{PREFIX}/{}:{version}", part.name),
        entrypoint: format!("/{path}"),
        arguments: vec!["--help".to_owned()],
        ports: part.ports.to_vec(),
        labels: labels.into_iter().map(label).collect(),
        layer,
    })
}

/// What every image has beside its program.
fn base() -> Layer {
    let mut layer = Layer::default();
    let user = format!("millrace:x:{USER}:{USER}:millrace:/:/sbin/nologin\n");
    layer.file("etc/passwd", format!("root:x:0:0:root:/:/sbin/nologin\n{user}"));
    layer.file("etc/group", format!("root:x:0:\nmillrace:x:{USER}:\n"));
    // A static glibc has these two built in and would load any other.
    layer.file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
    layer.directory("tmp", 0o1777, 0);
    layer
}

/// The commit, if the tree is one.
fn revision() -> Option<String> {
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).current_dir(root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let is_clean = git(&["status", "--porcelain"])?.is_empty();
    if is_clean { git(&["rev-parse", "HEAD"]) } else { None }
}

fn write(image: &Image) -> Result<Built> {
    let dir = target_dir()?.join("images");
    fs::create_dir_all(&dir)?;
    let last = image.name.rsplit('/').next().unwrap_or_default();
    let part = last.split(':').next().unwrap_or_default().to_owned();
    let path = dir.join(format!("{part}.tar"));
    let archive = image.archive()?;
    fs::write(&path, &archive).with_context(|| format!("cannot write {}", path.display()))?;
    let size = archive.len() >> 10;
    say(&format!("{}: {} ({size} KiB)", image.name, shown(&path)));
    let digest = archive::digest(&archive).chars().take(12).collect();
    Ok(Built { part, digest, path })
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Part, USER};
    use crate::step::root;

    /// What the text has between a line that starts with `from` and the next empty line.
    fn stage<'a>(text: &'a str, from: &str) -> &'a str {
        let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from:?}"));
        rest.split("\n\n").next().unwrap_or(rest)
    }

    #[test]
    fn the_dockerfile_makes_the_same_images() {
        let text = fs::read_to_string(root().join("Dockerfile")).unwrap();
        for part in Part::ALL {
            let stage = stage(&text, &format!("FROM scratch AS {}\n", part.name));
            let program = format!("/usr/local/bin/{}", part.binary());
            let ports: Vec<_> = part.ports.iter().map(|port| format!("{port}/tcp")).collect();
            for wanted in [
                format!("USER {USER}:{USER}\n"),
                format!("ENTRYPOINT [\"{program}\"]\nCMD [\"--help\"]"),
                format!("/programs/{} {program}\n", part.binary()),
                format!("EXPOSE {}\n", ports.join(" ")),
                format!("description=\"{}\"", part.description),
                format!("title=\"{}\"", part.binary()),
            ] {
                assert!(format!("{stage}\n").contains(&wanted), "{wanted:?} is not in {stage}");
            }
            assert!(text.contains(&format!("--package {}", part.package)), "{}", part.package);
            let data = part.data.map(|data| format!("--chown={USER}:{USER} /data /{data}\n"));
            assert!(data.is_none_or(|data| stage.contains(&data)), "data of {}", part.name);
        }
    }
}
