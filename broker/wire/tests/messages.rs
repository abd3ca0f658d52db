//! Every message in every version: what is written is read back as it was.

#[path = "harness/samples.rs"]
mod samples;

use millrace_wire::{ApiKey, DecodeError, Reader, RequestHeader, frame, messages};
use samples::{Message, Random, Refusal};

/// Random values of each message and version.
const ROUNDS: u64 = 50;

#[test]
fn every_value_is_read_back_as_it_was_written() {
    for (message, version) in Message::each_version() {
        for round in 0..ROUNDS {
            let mut random = Random::new(message.seed(version, round));
            let bytes = (message.sample)(&mut random, version);
            let again = message.again(&bytes, version);
            assert_eq!(again.as_ref(), Ok(&bytes), "{} {version} round {round}", message.name);
        }
    }
}

#[test]
fn half_a_message_is_refused_wherever_it_is_cut() {
    for (message, version) in Message::each_version() {
        let mut random = Random::new(message.seed(version, 0));
        let bytes = (message.sample)(&mut random, version);
        for length in 0..bytes.len() {
            let cut = message.again(&bytes[..length], version);
            assert!(cut.is_err(), "{} {version} cut at {length}", message.name);
        }
    }
}

#[test]
fn a_version_that_does_not_exist_is_refused() {
    for message in samples::MESSAGES {
        for version in [-1, message.versions.start() - 1, message.versions.end() + 1, i16::MAX] {
            let refused = message.again(&[0; 64], version);
            let is_version = matches!(refused, Err(Refusal::Decode(DecodeError::Version { .. })));
            assert!(is_version, "{} {version}: {refused:?}", message.name);
        }
    }
}

#[test]
fn frames_carry_header_and_body() {
    let body = messages::heartbeat::Request {
        group_id: "orders".into(),
        generation_id: 3,
        ..Default::default()
    };
    for version in 0..=ApiKey::Heartbeat.version_max() {
        let bytes = frame::request(version, 7, Some("me"), &body).expect("it can be written");
        let (prefix, rest) = bytes.split_first_chunk().expect("a length");
        assert_eq!(frame::length(*prefix, 1000), Ok(rest.len()));
        assert!(frame::length(*prefix, rest.len() - 1).is_err());
        let mut reader = Reader::new(rest);
        let header = RequestHeader::decode(&mut reader).expect("a header");
        assert_eq!(
            (header.key, header.version, header.correlation_id),
            (ApiKey::Heartbeat, version, 7)
        );
        assert_eq!(header.client_id.as_deref(), Some("me"));
    }
}
