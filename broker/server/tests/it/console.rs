//! Records from the command line, through the binary as users start it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use millrace_client::{Admin, Configs, Router, Tcp};

use crate::process::BrokerProcess;
use crate::support::SOON;

fn start(broker: &BrokerProcess, words: &[&str]) -> Child {
    let (verb, rest) = words.split_first().expect("a verb");
    Command::new(env!("CARGO_BIN_EXE_millrace-broker"))
        .args([verb, format!("--bootstrap={}", broker.address()).as_str()])
        .args(rest)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process")
}

fn run(broker: &BrokerProcess, words: &[&str], input: &str) -> Output {
    let mut child = start(broker, words);
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
async fn a_broker_that_starts_anew_is_waited_for_and_no_record_comes_twice() {
    let mut broker = BrokerProcess::start();
    let router = Router::new(Tcp, "test", vec![broker.address().to_string()]);
    Admin::new(router).create_topic("orders", 1, &Configs::new()).await.expect("a topic");
    let mut producer = start(&broker, &["produce", "orders"]);
    let mut lines = producer.stdin.take().expect("a pipe");
    let mut said = BufReader::new(producer.stderr.take().expect("a pipe")).lines();
    for number in 0..5 {
        writeln!(lines, "{number} before").expect("a reader");
        broker.kill();
        writeln!(lines, "{number} after").expect("a reader");
        let mut words = said.by_ref().map_while(Result::ok);
        assert!(words.any(|word| word.contains("trying again")), "nothing is said of it");
        broker.start_again();
        let until = Instant::now() + SOON;
        while told(&run(&broker, &["consume", "orders"], "")).lines().count() < 2 * number + 2 {
            assert!(Instant::now() < until, "the records of round {number} are not there");
        }
    }
    drop(lines);
    let output = producer.wait_with_output().expect("an end");
    assert_eq!(told(&output), "10 records written to orders\n");
    let expected: String = (0..5).map(|it| format!("{it} before\n{it} after\n")).collect();
    assert_eq!(told(&run(&broker, &["consume", "orders"], "")), expected);
}

#[tokio::test]
async fn what_cannot_be_is_told() {
    let mut broker = BrokerProcess::start();
    for (words, expected) in [
        (vec!["produce", "nowhere"], "UNKNOWN_TOPIC_OR_PARTITION"),
        (vec!["try", "nowhere", "--wait=0"], "no success within 0 s"),
    ] {
        let output = run(&broker, &words, "");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(expected), "{words:?}: {text}");
    }
    broker.kill();
    for verb in ["produce", "consume", "try"] {
        let output = run(&broker, &[verb, "orders", "--wait=1"], "");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("refused (os error"), "{verb}: {text}");
    }
}
