//! What the reader takes, and what it refuses with which numbers.

use std::borrow::Cow;

use super::Reader;
use crate::messages::{api_versions, fetch, heartbeat};
use crate::{Decode, DecodeError, Encode};

fn reader(bytes: &[u8]) -> Reader<'_> {
    Reader::new(bytes)
}

#[test]
fn a_varint_of_32_bits_is_read_and_a_larger_one_refused() {
    for (bytes, value) in [
        (&[0x00][..], Ok(0)),
        (&[0x7f], Ok(127)),
        (&[0x80, 0x01], Ok(128)),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], Ok(u32::MAX)),
        // Longer than needed, as a lazy writer may do.
        (&[0x81, 0x80, 0x00], Ok(1)),
        (&[0xff, 0xff, 0xff, 0xff, 0x10], Err(DecodeError::Varint { field: "f" })),
        (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], Err(DecodeError::Varint { field: "f" })),
        (&[0x80], Err(DecodeError::Truncated { field: "f", needed_bytes: 1, remaining_bytes: 0 })),
    ] {
        assert_eq!(reader(bytes).unsigned_varint("f"), value, "{bytes:02x?}");
    }
}

#[test]
fn a_string_is_read_in_both_encodings() {
    for (flexible, bytes, value) in [
        (false, &[0, 2, b'h', b'i'][..], Ok(Some("hi"))),
        (false, &[0, 0], Ok(Some(""))),
        (false, &[0xff, 0xff], Ok(None)),
        (true, &[3, b'h', b'i'], Ok(Some("hi"))),
        (true, &[1], Ok(Some(""))),
        (true, &[0], Ok(None)),
        (false, &[0xff, 0xfe], Err(DecodeError::Length { field: "f", length: -2, limit: 32_767 })),
        (
            true,
            &[0x81, 0x80, 0x02],
            Err(DecodeError::Length { field: "f", length: 32_768, limit: 32_767 }),
        ),
        (
            true,
            &[9, b'h'],
            Err(DecodeError::Truncated { field: "f", needed_bytes: 8, remaining_bytes: 1 }),
        ),
        (true, &[3, b'h', 0xff], Ok(Some("h\u{fffd}"))),
    ] {
        let read = reader(bytes).nullable_string("f", flexible);
        assert_eq!(read, value.map(|text| text.map(Cow::Borrowed)), "{bytes:02x?}");
    }
    assert_eq!(reader(&[0]).string("f", true), Err(DecodeError::Null { field: "f" }));
}

#[test]
fn a_count_that_the_rest_cannot_hold_is_refused_before_it_is_paid() {
    let mut bytes = reader(&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1]);
    let refused = bytes.array("f", false, 4, |reader| reader.int32("f"));
    let error = DecodeError::Count {
        field: "f",
        count: 2_147_483_647,
        element_bytes: 4,
        remaining_bytes: 4,
    };
    assert_eq!(refused, Err(error));
    assert_eq!(error.to_string(), "f: 2147483647 elements of at least 4 bytes each, 4 remain");
}

#[test]
fn an_unknown_tagged_field_is_skipped() {
    let body = heartbeat::Request { group_id: "g".into(), ..Default::default() };
    let mut bytes = Vec::new();
    body.encode(&mut bytes, 4).unwrap();
    // The section of tagged fields is the last byte: none. Now it holds tag 200 of three bytes.
    assert_eq!(bytes.pop(), Some(0));
    bytes.extend_from_slice(&[1, 0xc8, 0x01, 3, 7, 8, 9]);
    let mut reader = reader(&bytes);
    assert_eq!(heartbeat::Request::decode(&mut reader, 4), Ok(body));
    assert_eq!(reader.finish("Heartbeat request"), Ok(()));
}

#[test]
fn a_known_tagged_field_must_fill_its_size() {
    let mut bytes = Vec::new();
    api_versions::Response::default().encode(&mut bytes, 3).unwrap();
    assert_eq!(bytes.pop(), Some(0));
    // Tag 3 is a boolean of one byte.
    for (value, read) in [
        (&[1, 3, 1, 1][..], Ok(true)),
        (
            &[1, 3, 2, 1, 1],
            Err(DecodeError::TaggedField {
                field: "ApiVersions response",
                tag: 3,
                excess_bytes: 1,
            }),
        ),
        (
            &[1, 3, 0],
            Err(DecodeError::Truncated {
                field: "ApiVersions response.zk_migration_ready",
                needed_bytes: 1,
                remaining_bytes: 0,
            }),
        ),
    ] {
        let bytes = [&bytes, value].concat();
        let response = api_versions::Response::decode(&mut reader(&bytes), 3);
        assert_eq!(response.map(|response| response.zk_migration_ready), read);
    }
}

#[test]
fn a_tag_that_a_version_does_not_know_is_skipped_in_it() {
    let body = fetch::Request {
        cluster_id: Some("cluster".into()),
        replica_state: fetch::RequestReplicaState { replica_id: 5, replica_epoch: 6 },
        ..Default::default()
    };
    let mut bytes = Vec::new();
    body.encode(&mut bytes, 15).unwrap();
    // Tag 1, the state of the replica, came with version 15; 14 still has the id before all else.
    let bytes = [&i32::to_be_bytes(-1)[..], &bytes].concat();
    let older = fetch::Request::decode(&mut reader(&bytes), 14).unwrap();
    assert_eq!(older.cluster_id, body.cluster_id);
    assert_eq!(older.replica_state, fetch::RequestReplicaState::default());
}

#[test]
fn trailing_bytes_are_told() {
    let mut reader = reader(&[0, 0, 0, 1, 2]);
    assert_eq!(reader.int32("f"), Ok(1));
    assert_eq!(
        reader.finish("message"),
        Err(DecodeError::Trailing { message: "message", excess_bytes: 1 })
    );
}
