//! An image as one file that is an OCI image layout and a `docker save` archive at once, as Docker
//! itself writes it since its version 25.
//!
//! ```text
//! oci-layout            the version of the layout
//! index.json            -> blobs/sha256/MANIFEST            OCI's entrance
//! manifest.json         -> config and layer, with the name  Docker's entrance
//! blobs/sha256/MANIFEST -> config and layer
//! blobs/sha256/CONFIG   user, entrypoint, labels
//! blobs/sha256/LAYER    tar, gzip
//! ```
//!
//! Source: OCI image specification 1.1 (image-layout.md, manifest.md, config.md).

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType};

use super::layer::{Layer, USER, append};

/// Time of creation: the same for all, so that equal content gives equal bytes.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// An image: its name, its files and how they are run.
#[derive(Clone, Debug)]
pub struct Image {
    /// Full name with registry and tag, such as `docker.io/millrace/broker:0.1.0`.
    pub name: String,
    /// What is started, by its path in the image.
    pub entrypoint: String,
    /// Arguments where the user gives none.
    pub arguments: Vec<String>,
    /// TCP ports that it listens on.
    pub ports: Vec<u16>,
    /// What people and tools read of it.
    pub labels: BTreeMap<String, String>,
    /// Its files.
    pub layer: Layer,
}

impl Image {
    /// The archive. Equal images give equal bytes.
    ///
    /// # Errors
    /// A path is too long for a tar header, or the name has no tag.
    pub fn archive(&self) -> Result<Vec<u8>> {
        let (_, tag) = self.name.rsplit_once(':').context("an image's name needs a tag")?;
        let files = self.layer.tar()?;
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(6));
        gzip.write_all(&files)?;
        let layer = Blob::new("layer.v1.tar+gzip", gzip.finish()?);
        let config = Blob::new("config.v1+json", serde_json::to_vec(&self.config(&files))?);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type("manifest.v1+json"),
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
        });
        let manifest = Blob::new("manifest.v1+json", serde_json::to_vec(&manifest)?);
        let mut entrance = manifest.descriptor();
        entrance["platform"] = json!({ "architecture": "amd64", "os": "linux" });
        entrance["annotations"] = json!({
            "io.containerd.image.name": self.name,
            "org.opencontainers.image.ref.name": tag,
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": media_type("index.v1+json"),
            "manifests": [entrance],
        });
        let docker = json!([{
            "Config": config.path(),
            "RepoTags": [self.name],
            "Layers": [layer.path()],
        }]);
        let mut tar = Builder::new(Vec::new());
        for (path, content) in [
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            ("index.json".to_owned(), serde_json::to_vec(&index)?),
            ("manifest.json".to_owned(), serde_json::to_vec(&docker)?),
            (manifest.path(), manifest.content),
            (config.path(), config.content),
            (layer.path(), layer.content),
        ] {
            append(&mut tar, EntryType::Regular, &path, &content, 0o644, 0)?;
        }
        Ok(tar.into_inner()?)
    }

    fn config(&self, files: &[u8]) -> Value {
        let ports: BTreeMap<_, _> =
            self.ports.iter().map(|port| (format!("{port}/tcp"), json!({}))).collect();
        json!({
            "architecture": "amd64",
            "os": "linux",
            "created": CREATED,
            "config": {
                // In digits: Kubernetes cannot tell of a name whether it is root's.
                "User": format!("{USER}:{USER}"),
                "Entrypoint": [self.entrypoint],
                "Cmd": self.arguments,
                "Env": ["PATH=/usr/local/bin"],
                "WorkingDir": "/",
                "ExposedPorts": ports,
                "Labels": self.labels,
            },
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", digest(files))] },
            "history": [{ "created": CREATED, "created_by": "cargo xtask image" }],
        })
    }
}

/// A file of the archive that is named by its content.
struct Blob {
    kind: &'static str,
    digest: String,
    content: Vec<u8>,
}

impl Blob {
    fn new(kind: &'static str, content: Vec<u8>) -> Blob {
        Blob { kind, digest: digest(&content), content }
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }

    fn descriptor(&self) -> Value {
        json!({
            "mediaType": media_type(self.kind),
            "digest": format!("sha256:{}", self.digest),
            "size": self.content.len(),
        })
    }
}

fn media_type(kind: &str) -> String {
    format!("application/vnd.oci.image.{kind}")
}

/// The SHA-256 in hexadecimal digits.
pub fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use serde_json::Value;

    use super::{Image, digest};
    use crate::image::layer::Layer;

    fn example() -> Image {
        let mut layer = Layer::default();
        layer.program("usr/local/bin/run", vec![7; 100_000]);
        layer.file("etc/passwd", "root");
        layer.directory("tmp", 0o1777, 0);
        Image {
            name: "docker.io/millrace/example:1".to_owned(),
            entrypoint: "/usr/local/bin/run".to_owned(),
            arguments: vec!["--help".to_owned()],
            ports: vec![9092],
            labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            layer,
        }
    }

    fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut tar = tar::Archive::new(archive);
        let entries = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().to_str().unwrap().to_owned(), content)
        });
        entries.collect()
    }

    #[test]
    fn equal_images_give_equal_bytes() {
        assert_eq!(example().archive().unwrap(), example().archive().unwrap());
    }

    #[test]
    fn both_entrances_lead_to_the_same_content() {
        let files = files(&example().archive().unwrap());
        for (path, content) in &files {
            if let Some(name) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(name, digest(content), "{path}");
            }
        }
        let read = |path: &str| -> Value { serde_json::from_slice(&files[path]).unwrap() };
        let blob = |descriptor: &Value| {
            let path = descriptor["digest"].as_str().unwrap().replace(':', "/");
            let path = format!("blobs/{path}");
            assert_eq!(files[&path].len() as u64, descriptor["size"].as_u64().unwrap());
            path
        };
        let manifest = read(&blob(&read("index.json")["manifests"][0]));
        let docker = &read("manifest.json")[0];
        assert_eq!(docker["Config"], blob(&manifest["config"]));
        assert_eq!(docker["Layers"][0], blob(&manifest["layers"][0]));
        assert_eq!(docker["RepoTags"][0], "docker.io/millrace/example:1");
        let config = read(&blob(&manifest["config"]));
        assert_eq!(config["config"]["User"], "65532:65532");
        let mut layer = Vec::new();
        let packed = files[&blob(&manifest["layers"][0])].as_slice();
        flate2::read::GzDecoder::new(packed).read_to_end(&mut layer).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", digest(&layer)));
        let names: Vec<_> = super::tests::files(&layer).into_keys().collect();
        let wanted = ["etc/", "etc/passwd", "tmp/", "usr/", "usr/local/", "usr/local/bin/"];
        assert_eq!(names[..6], wanted);
    }

    #[test]
    fn a_name_without_tag_is_refused() {
        assert!(Image { name: "example".to_owned(), ..example() }.archive().is_err());
    }
}
