//! Each file under `examples/` is a manifest that laptop mode reads and the operator accepts.

use std::path::Path;

use kube::Resource;
use millrace_crds::Manifest;
use millrace_operator::cluster::wanted::validate;
use millrace_operator::resource::{Cluster, Topic};
use millrace_operator::topic::wanted::WantedTopic;
use serde::de::DeserializeOwned;

fn read<K: Resource + DeserializeOwned>(resource: &impl serde::Serialize) -> K {
    let value = serde_json::to_value(resource).expect("JSON");
    serde_json::from_value(value).expect("a resource")
}

#[test]
fn every_example_is_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("examples") {
        let path = entry.expect("an entry").path();
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("text");
        let manifest = Manifest::parse(&file, &text).unwrap_or_else(|error| panic!("{error}"));
        let cluster: Cluster = read(&manifest.cluster);
        validate(&cluster, "broker").unwrap_or_else(|problems| panic!("{file}: {problems:?}"));
        for topic in &manifest.topics {
            let wanted = WantedTopic::read(&read::<Topic>(topic));
            assert!(wanted.spec.is_ok(), "{file}: {:?}", wanted.spec);
        }
        count += 1;
    }
    assert!(count >= 8, "{count} examples");
}
