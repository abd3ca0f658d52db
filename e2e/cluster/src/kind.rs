//! One kind cluster: a control plane and three workers in three zones.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use millrace_peers::run;

use crate::engine::Engine;
use crate::evidence;

/// Its name, which its containers start with.
pub const NAME: &str = "millrace-e2e";

/// A cluster; removed when dropped unless it is kept.
#[derive(Debug)]
pub struct Kind {
    engine: Engine,
    is_kept: bool,
}

impl Kind {
    /// Makes the cluster; one that a killed run has left is removed first.
    ///
    /// # Errors
    /// kind fails.
    pub fn create(engine: Engine) -> Result<Kind> {
        fs::create_dir_all(evidence::dir())?;
        let kind = Kind { engine, is_kept: false };
        kind.delete()?;
        let mut command = kind.engine.command("kind");
        command.args(["create", "cluster", "--name", NAME, "--wait", "180s", "--config"]);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../kind/cluster.yaml"));
        command.args(["--image", &kind.engine.node_image, "--kubeconfig"]);
        run(command.arg(kubeconfig())).context("kind cannot make the cluster")?;
        Ok(kind)
    }

    /// The cluster that an earlier run kept, if there is one; it is kept on.
    pub fn existing(engine: &Engine) -> Option<Kind> {
        let names = run(engine.command("kind").args(["get", "clusters"])).ok()?;
        let is_there = names.lines().any(|name| name == NAME);
        is_there.then(|| Kind { engine: engine.clone(), is_kept: true })
    }

    /// Removes the cluster that an earlier run kept, and the engine if it is ours.
    ///
    /// # Errors
    /// Something of it stays.
    pub fn remove(engine: Engine) -> Result<()> {
        let kind = Kind { engine, is_kept: true };
        kind.delete()?;
        kind.engine.stop()
    }

    /// Puts an image archive on every node.
    ///
    /// # Errors
    /// kind fails.
    pub fn load(&self, archive: &Path) -> Result<()> {
        let mut command = self.engine.command("kind");
        run(command.args(["load", "image-archive", "--name", NAME]).arg(archive)).map(drop)
    }

    /// Leaves the cluster running.
    pub fn keep(&mut self) {
        self.is_kept = true;
    }

    fn delete(&self) -> Result<()> {
        let mut command = self.engine.command("kind");
        command.args(["delete", "cluster", "--name", NAME, "--kubeconfig"]);
        run(command.arg(kubeconfig())).map(drop)
    }
}

impl Drop for Kind {
    fn drop(&mut self) {
        if !self.is_kept {
            // The next run removes what this one cannot.
            let _ = self.delete();
            let _ = self.engine.stop();
        }
    }
}

/// Where kubectl and helm find the cluster.
pub fn kubeconfig() -> PathBuf {
    evidence::dir().join("kubeconfig")
}
