//! Records from the command line, through the binary as users start it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use millrace_client::{Admin, Configs, Router, Tcp};

use crate::process::BrokerProcess;

fn run(broker: &BrokerProcess, words: &[&str], input: &str) -> Output {
    let (verb, rest) = words.split_first().expect("a verb");
    let mut child = Command::new(env!("CARGO_BIN_EXE_millrace-broker"))
        .args([verb, format!("--bootstrap={}", broker.address()).as_str()])
        .args(rest)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("a reader");
    child.wait_with_output().expect("an end")
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn lines_become_records_and_come_back() {
    let broker = BrokerProcess::start();
    let router = Router::new(Tcp, "test", vec![broker.address().to_string()]);
    Admin::new(router).create_topic("orders", 2, &Configs::new()).await.expect("a topic");
    assert_eq!(told(&run(&broker, &["consume", "orders"], "")), "");
    let wrote = told(&run(&broker, &["produce", "orders"], "one\ntwo\n\nfour\n"));
    assert_eq!(wrote, "4 records written to orders\n");
    assert_eq!(told(&run(&broker, &["consume", "orders"], "")), "one\n\ntwo\nfour\n");
    let tried = told(&run(&broker, &["try", "orders"], ""));
    assert_eq!(tried, "a record of orders came back, offset 2\n");
    assert_eq!(told(&run(&broker, &["consume", "orders"], "")).lines().count(), 5);
}

#[tokio::test]
async fn what_cannot_be_is_told() {
    let broker = BrokerProcess::start();
    for (words, expected) in [
        (vec!["produce", "nowhere"], "UNKNOWN_TOPIC_OR_PARTITION"),
        (vec!["try", "nowhere", "--wait=0"], "no success within 0 s"),
    ] {
        let output = run(&broker, &words, "");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(expected), "{words:?}: {text}");
    }
}
