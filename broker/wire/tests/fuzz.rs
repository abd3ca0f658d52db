//! No input may make a decoder panic or allocate out of proportion. The long run of the same inputs
//! is `examples/fuzz.rs`; its last result stands in `docs/fuzz.md`.

#[path = "harness/fuzz.rs"]
mod fuzz;
#[path = "harness/samples.rs"]
mod samples;

use fuzz::{Fuzz, largest_allocation};
use millrace_wire::{DecodeError, messages};
use samples::{Message, Random, Refusal};

/// Inputs of the short run.
const INPUTS: u64 = 1_000_000;

#[test]
fn broken_messages_are_refused_without_panic_or_large_allocation() {
    let totals = Fuzz::new(1).run(0, INPUTS);
    // Mutants that all fail at once, or none of which does, would test nothing.
    assert!(totals.decoded > INPUTS / 20, "{} of {INPUTS} decoded", totals.decoded);
    assert!(totals.decoded < INPUTS / 2, "{} of {INPUTS} decoded", totals.decoded);
}

#[test]
fn a_large_frame_never_takes_much_more_memory_than_its_size() {
    const FRAME: usize = 512 << 10;
    const ARRAYS_ABOVE_FRAME: usize = 16 << 20;
    for (message, version) in Message::each_version() {
        let mut random = Random::new(message.seed(version, 0));
        let base = (message.sample)(&mut random, version);
        for fill in [0x00, 0x01] {
            for _ in 0..2 {
                // A count that the rest of the frame might just hold, in both encodings.
                let mut frame = base[..random.below(base.len() + 1)].to_vec();
                match random.below(2) {
                    0 => frame.extend_from_slice(&[0x00, 0x0f, 0xff, 0xff]),
                    _ => frame.extend_from_slice(&[0xff, 0xff, 0x3f]),
                }
                frame.resize(FRAME, fill);
                let (_, largest) = largest_allocation(|| message.again(&frame, version));
                let limit = FRAME + ARRAYS_ABOVE_FRAME;
                assert!(largest <= limit, "{} {version}: {largest} at once", message.name);
            }
        }
    }
}

#[test]
fn arrays_that_cost_more_memory_than_their_frame_allows_are_refused() {
    // Metadata 1 names topics by two bytes each and holds each in 40: a frame of 3 MiB would need
    // 60 MiB. A frame of 300 KiB is paid by the allowance above its size.
    for (topics, is_read) in [(150_000, true), (1_500_000, false)] {
        let mut frame = i32::to_be_bytes(topics).to_vec();
        frame.resize(4 + 2 * usize::try_from(topics).unwrap(), 0);
        let metadata = Message::each_version()
            .find(|(message, version)| message.name == "Metadata request" && *version == 1);
        let (message, version) = metadata.unwrap();
        let (outcome, largest) = largest_allocation(|| message.again(&frame, version));
        assert!(largest <= frame.len() + (16 << 20), "{largest}");
        match outcome {
            Ok(_) => assert!(is_read),
            Err(Refusal::Decode(DecodeError::Memory { field, count, needed_bytes, .. })) => {
                assert!(!is_read);
                assert_eq!((field, count), ("Metadata request.topics", 1_500_000));
                let topic = size_of::<messages::metadata::RequestTopic<'_>>();
                assert_eq!(needed_bytes, 1_500_000 * topic);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}
