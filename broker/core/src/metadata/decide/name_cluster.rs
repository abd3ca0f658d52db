//! Gives a new cluster its id, and tells a foreign one.

use super::Decision;
use crate::metadata::image::Image;
use crate::metadata::record::Record;

/// The metadata belongs to another cluster than the rest of the disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the metadata log belongs to cluster {found}, meta.properties beside it to {expected}")]
pub struct ForeignCluster {
    /// The id in the metadata.
    pub found: String,
    /// The id in `meta.properties`.
    pub expected: String,
}

/// Decides whether the cluster is named now.
///
/// # Errors
/// If it has another name already.
pub fn decide(image: &Image, cluster_id: &str) -> Result<Decision<()>, ForeignCluster> {
    let records = match image.cluster_id() {
        None => vec![Record::ClusterNamed { cluster_id: cluster_id.to_owned() }],
        Some(found) if found == cluster_id => Vec::new(),
        Some(found) => {
            let (found, expected) = (found.to_owned(), cluster_id.to_owned());
            return Err(ForeignCluster { found, expected });
        }
    };
    Ok(Decision { records, reply: () })
}

#[cfg(test)]
mod tests {
    use super::decide;
    use crate::metadata::fixture::Fixture;

    #[test]
    fn a_cluster_keeps_its_name() {
        let fixture = Fixture::new(1, &[]);
        assert_eq!(decide(&fixture.image, "cluster").unwrap().records, []);
        assert_eq!(
            decide(&fixture.image, "other").unwrap_err().to_string(),
            "the metadata log belongs to cluster cluster, meta.properties beside it to other"
        );
    }
}
