//! Every message in every version against Kafka's own codec, `org.apache.kafka.common.message`.
//!
//! `oracle/Oracle.java` runs that codec over stdin and stdout. Needs Java; without it the test says
//! so and is left out.

#[path = "harness/fuzz.rs"]
mod fuzz;
#[path = "harness/samples.rs"]
mod samples;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use fuzz::Fuzz;
use millrace_peers::java;
use millrace_peers::toolchain::Toolchain;
use millrace_wire::{ApiKey, DecodeError, Reader, RequestHeader, ResponseHeader};
use samples::{Message, Random, Refusal};

/// Random values of each message and version, in each direction.
const ROUNDS: u64 = 25;

/// Broken messages that both read or refuse.
const BROKEN: u64 = 30_000;

#[test]
fn what_we_write_kafka_reads_and_writes_the_same() {
    let Some(mut oracle) = Oracle::start("wire against Kafka's codec, ours to theirs") else {
        return;
    };
    for (message, version) in Message::each_version().filter(is_kafkas) {
        for round in 0..ROUNDS {
            let mut random = Random::new(message.seed(version, round));
            let bytes = hex(&(message.sample)(&mut random, version));
            let (theirs, json) = oracle.ask("decode", message.java, version, &bytes);
            assert_eq!(theirs, bytes, "{} {version} round {round}: {json}", message.name);
        }
    }
    oracle.stop();
}

#[test]
fn what_kafka_writes_we_read_and_write_the_same() {
    let Some(mut oracle) = Oracle::start("wire against Kafka's codec, theirs to ours") else {
        return;
    };
    for (message, version) in Message::each_version().filter(is_kafkas) {
        for round in 0..ROUNDS {
            let seed = round.to_string();
            let (theirs, json) = oracle.ask("random", message.java, version, &seed);
            let ours = message.again(&unhex(&theirs), version);
            let ours = ours.map(|bytes| hex(&bytes));
            assert_eq!(
                ours.as_ref(),
                Ok(&theirs),
                "{} {version} round {round}: {json}",
                message.name
            );
        }
    }
    oracle.stop();
}

#[test]
fn fields_have_kafkas_names_types_and_order() {
    let Some(mut oracle) = Oracle::start("wire against Kafka's codec, layouts") else { return };
    for (message, version) in Message::each_version().filter(is_kafkas) {
        let (theirs, _) = oracle.ask("layout", message.java, version, "");
        assert_eq!((message.layout)(version), theirs, "{} {version}", message.name);
    }
    oracle.stop();
}

#[test]
fn fields_that_a_version_lacks_have_kafkas_defaults() {
    let Some(mut oracle) = Oracle::start("wire against Kafka's codec, defaults") else { return };
    let (mut compared, mut refused) = (0, 0);
    for (message, from) in Message::each_version().filter(is_kafkas) {
        for to in message.versions.clone().filter(|to| *to != from) {
            let bytes = (message.sample)(&mut Random::new(message.seed(from, 1)), from);
            let request = format!("{} {to}", hex(&bytes));
            match oracle.try_ask("recode", message.java, from, &request) {
                Ok((theirs, _)) => {
                    let ours = (message.recode)(&bytes, from, to).map(|bytes| hex(&bytes));
                    assert_eq!(ours, Ok(theirs), "{} from {from} to {to}", message.name);
                    compared += 1;
                }
                // Kafka refuses to drop some fields; we leave that to who fills them in.
                Err(_) => refused += 1,
            }
        }
    }
    assert!(compared > refused, "{compared} compared, {refused} refused by Kafka");
    oracle.stop();
}

#[test]
fn headers_are_kafkas() {
    let Some(mut oracle) = Oracle::start("wire against Kafka's codec, headers") else { return };
    for &key in ApiKey::ALL.iter().filter(|key| !key.is_own()) {
        for version in key.version_min()..=key.version_max() {
            for client_id in [None, Some(""), Some("me"), Some("\u{2603}")] {
                let client_id = client_id.map(Into::into);
                let header = RequestHeader { key, version, correlation_id: -7, client_id };
                let mut bytes = Vec::new();
                header.encode(&mut bytes).expect("a short client id");
                assert_eq!(RequestHeader::decode(&mut Reader::new(&bytes)), Ok(header));
                let bytes = hex(&bytes);
                let header_version = key.request_header_version(version);
                let theirs = oracle.ask("decode", "RequestHeaderData", header_version, &bytes);
                assert_eq!(theirs.0, bytes, "{key} {version}: {}", theirs.1);
            }
            let header = ResponseHeader { correlation_id: 1 << 20 };
            let mut bytes = Vec::new();
            header.encode(&mut bytes, key, version);
            let back = ResponseHeader::decode(&mut Reader::new(&bytes), key, version);
            assert_eq!(back, Ok(header));
            let bytes = hex(&bytes);
            let header_version = key.response_header_version(version);
            let theirs = oracle.ask("decode", "ResponseHeaderData", header_version, &bytes);
            assert_eq!(theirs.0, bytes, "{key} {version}: {}", theirs.1);
        }
    }
    oracle.stop();
}

#[test]
fn apis_have_kafkas_numbers_versions_and_headers() {
    let Some(mut oracle) = Oracle::start("wire against Kafka's codec, table of APIs") else {
        return;
    };
    for &key in ApiKey::ALL.iter().filter(|key| !key.is_own()) {
        for version in key.version_min()..=key.version_max() {
            let (name, facts) = oracle.ask("api", &key.code().to_string(), version, "");
            let ours = format!(
                "{} {} {} {}",
                key.version_min(),
                key.version_max(),
                key.request_header_version(version),
                key.response_header_version(version),
            );
            assert_eq!((name.as_str(), facts), (key.name(), ours), "version {version}");
        }
    }
    oracle.stop();
}

#[test]
fn broken_messages_are_taken_as_kafka_takes_them() {
    let Some(mut oracle) = Oracle::start("wire against Kafka's codec, broken") else { return };
    let mut fuzz = Fuzz::new(2);
    for number in 0..BROKEN {
        let (message, version, input) = fuzz.make(number);
        if !is_kafkas(&(message, version)) {
            continue;
        }
        let what = format!("{} {version}, input {number}: {}", message.name, hex(input));
        let theirs = oracle.try_ask("decode", message.java, version, &hex(input));
        match (message.again(input, version), theirs) {
            (Err(_), Err(_)) => {}
            // Kafka writes unknown tagged fields back, we do not: read once more they are gone.
            (Ok(ours), Ok((theirs, json))) => {
                let theirs = message.again(&unhex(&theirs), version);
                assert_eq!(theirs, Ok(ours), "{what}: {json}");
            }
            // Kafka minds the order of tags, and tags of another version.
            (Ok(_), Err(theirs)) => {
                assert!(theirs.to_lowercase().contains("tag"), "{what}: {theirs}");
            }
            // We mind lengths below -1 and sizes of tagged fields that are not those of the value.
            (Err(ours), Ok((_, json))) => assert!(
                matches!(
                    ours,
                    Refusal::Decode(
                        DecodeError::Length { .. }
                            | DecodeError::TaggedField { .. }
                            | DecodeError::Truncated { .. }
                            | DecodeError::Varint { .. }
                    )
                ),
                "{what}: {ours:?}, theirs {json}"
            ),
        }
    }
    oracle.stop();
}

/// Whether Kafka knows the message.
fn is_kafkas((message, _): &(&'static Message, i16)) -> bool {
    message.key.is_none_or(|key| !key.is_own())
}

/// The Java program.
struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    /// Compiles and starts it; `None`, said aloud, where Java is missing.
    fn start(test: &str) -> Option<Oracle> {
        if !Toolchain::Java.is_here_for(test) {
            return None;
        }
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
        let class_path = java::compile(&sources).expect("the oracle compiles");
        let mut child = java::command(&class_path, "Oracle")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("java starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Some(Oracle { child, input, output })
    }

    /// Sends one line; what stands before and after the tab of the answer.
    fn ask(&mut self, verb: &str, class: &str, version: i16, rest: &str) -> (String, String) {
        self.try_ask(verb, class, version, rest).unwrap_or_else(|answer| {
            panic!("{class} {version}: the oracle says: {answer}\nto: {verb} {rest}")
        })
    }

    /// As [`Oracle::ask`]; the error is an answer without a tab.
    fn try_ask(
        &mut self,
        verb: &str,
        class: &str,
        version: i16,
        rest: &str,
    ) -> Result<(String, String), String> {
        writeln!(self.input, "{verb} {class} {version} {rest}").expect("the oracle listens");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("the oracle answers");
        let answer = answer.trim_end_matches('\n');
        let (first, second) = answer.split_once('\t').ok_or_else(|| answer.to_owned())?;
        Ok((first.to_owned(), second.to_owned()))
    }

    /// Ends it by closing its input.
    fn stop(self) {
        let Oracle { mut child, input, output } = self;
        drop(input);
        drop(output);
        let status = child.wait().expect("it ends");
        assert!(status.success(), "the oracle ended with {status}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
