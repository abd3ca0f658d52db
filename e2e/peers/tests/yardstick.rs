//! Apache Kafka starts from the cache, answers its own tools, and dies when told to.

use millrace_peers::kafka::{Kafka, Options};
use millrace_peers::toolchain::Toolchain;
use millrace_peers::{java, run};

#[test]
fn apache_kafka_starts_and_answers_its_own_tools() {
    if !Toolchain::Java.is_here_for("yardstick") {
        return;
    }
    let dir = std::env::temp_dir().join(format!("millrace-yardstick-{}", std::process::id()));
    let kafka = Kafka::start(Options::new(&dir).unwrap()).unwrap();
    let tools = java::kafka_class_path().unwrap();
    let mut topics = java::command(&tools, "org.apache.kafka.tools.TopicCommand");
    topics.args(["--bootstrap-server", &kafka.bootstrap(), "--create", "--topic", "t"]);
    assert_eq!(run(&mut topics).unwrap().trim(), "Created topic t.");
    let options = kafka.kill().unwrap();
    assert!(options.data_dir.join("t-0").is_dir());
    std::fs::remove_dir_all(&dir).unwrap();
}
