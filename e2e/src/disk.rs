//! A small file system in memory, so that a test can fill it up.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

/// A tmpfs of a fixed size; unmounted when dropped.
pub struct SmallDisk {
    mount: PathBuf,
}

impl SmallDisk {
    /// Mounts `size_mib` MiB at `mount`, which must be an empty folder.
    ///
    /// Mounting needs root; where that is refused, the answer is the reason.
    ///
    /// # Errors
    /// What `mount` says.
    pub fn mount(mount: &Path, size_mib: u64) -> Result<SmallDisk, String> {
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size_mib}m"), "tmpfs"])
            .arg(mount)
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(SmallDisk { mount: mount.to_owned() })
    }

    /// Takes `size_mib` MiB away; gives the file that holds them.
    ///
    /// # Errors
    /// There is less room than that.
    pub fn ballast(&self, size_mib: usize) -> Result<PathBuf> {
        let path = self.mount.join("ballast");
        fs::write(&path, vec![1; size_mib << 20])?;
        Ok(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a broker that a failing test leaves behind is killed a moment later.
        let _ = Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}
