//! Directories that are not ours, damaged or in use: each is refused with what is wrong, and what is
//! in it stays as it is.

use std::fs;
use std::path::Path;

use millrace_core::config::StaticConfig;
use millrace_server::env::Env;
use millrace_server::health::Probes;
use millrace_server::server::{Server, StartError};
use tempfile::TempDir;

/// Starts a broker on a directory that stays.
async fn start(dir: &Path, node_id: &str) -> Result<Server, StartError> {
    let dir = dir.display().to_string();
    let pairs =
        [("node.id", node_id), ("listeners", "PLAINTEXT://127.0.0.1:0"), ("log.dirs", &dir)];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = StaticConfig::new(pairs).expect("sound configs");
    let env = Env::real();
    let server = Server::start(env.clone(), config, Probes::default()).await;
    if server.is_err() {
        env.tasks.stop().await;
        assert_eq!(env.tasks.running(), 0, "nothing is left running");
    }
    server
}

/// The text of a refusal, with its causes.
async fn refusal(dir: &Path, node_id: &str) -> String {
    let error = start(dir, node_id).await.expect_err("refused");
    format!("{:#}", anyhow::Error::from(error)).replace(&dir.display().to_string(), "DIR")
}

/// A directory that a broker has used and left.
async fn used() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    start(dir.path(), "1").await.expect("a broker").stop().await;
    dir
}

/// Names and contents of all files.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_type().expect("a type").is_file())
        .map(|entry| {
            let content = fs::read(entry.path()).expect("a file");
            (entry.file_name().to_string_lossy().into_owned(), content)
        })
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn another_brokers_directory_is_refused_with_both_ids_and_stays_as_it_is() {
    let dir = used().await;
    let before = contents(dir.path());
    assert_eq!(
        refusal(dir.path(), "2").await,
        "DIR belongs to node.id=1, this broker has node.id=2"
    );
    let mut after = contents(dir.path());
    after.retain(|(name, _)| name != ".lock");
    assert_eq!(after, before.into_iter().filter(|(name, _)| name != ".lock").collect::<Vec<_>>());
    start(dir.path(), "1").await.expect("its own broker").stop().await;
}

#[tokio::test]
async fn metadata_of_another_cluster_is_refused_with_both_ids() {
    let (dir, other) = (used().await, used().await);
    let path = |dir: &TempDir| dir.path().join("meta.properties");
    let id = |dir: &TempDir| {
        let text = fs::read_to_string(path(dir)).expect("meta.properties");
        let line = text.lines().find_map(|line| line.strip_prefix("cluster.id="));
        line.expect("a cluster id").to_owned()
    };
    let (ours, theirs) = (id(&dir), id(&other));
    let text = fs::read_to_string(path(&dir)).expect("meta.properties");
    fs::write(path(&dir), text.replace(&ours, &theirs)).expect("written");
    let refusal = refusal(dir.path(), "1").await;
    assert!(refusal.contains(&ours) && refusal.contains(&theirs), "{refusal}");
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = start(dir.path(), "1").await.expect("a broker");
    assert_eq!(
        refusal(dir.path(), "1").await,
        "DIR is in use by another process, which holds its .lock"
    );
    first.stop().await;
    start(dir.path(), "1").await.expect("free again").stop().await;
}

#[tokio::test]
async fn damaged_files_are_refused_by_name() {
    for (file, damage, told) in [
        ("meta.properties", &b"\xff\xfe\x00"[..], "meta.properties"),
        ("meta.properties", b"version=1\ncluster.id=x\n", "node.id"),
        ("meta.properties", b"version=9\ncluster.id=x\nnode.id=1\ndirectory.id=y\n", "version"),
        ("millrace-metadata.vote", b"nonsense", "millrace-metadata.vote"),
    ] {
        let dir = used().await;
        fs::write(dir.path().join(file), damage).expect("written");
        let refusal = refusal(dir.path(), "1").await;
        println!("{refusal}");
        assert!(refusal.contains(told), "{refusal}");
    }
}

#[tokio::test]
async fn damage_to_what_the_metadata_acknowledged_is_refused() {
    let dir = used().await;
    // A second start, so that something stands behind what is damaged.
    start(dir.path(), "1").await.expect("a broker").stop().await;
    let log = fs::read_dir(dir.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with("millrace-metadata.") && name.ends_with(".log")
        })
        .expect("a log");
    let mut bytes = fs::read(&log).expect("a file");
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x40;
    fs::write(&log, bytes).expect("written");
    let refusal = refusal(dir.path(), "1").await;
    println!("{refusal}");
    assert!(refusal.contains("millrace-metadata."), "{refusal}");
}

#[tokio::test]
async fn a_path_that_is_no_directory_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "not a directory").expect("written");
    let refusal = refusal(&file, "1").await;
    assert!(refusal.contains("DIR"), "{refusal}");
}
