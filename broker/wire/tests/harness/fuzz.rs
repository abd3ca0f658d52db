//! Broken messages, and what is watched while they are read.
//!
//! Input number N of a seed is always the same: a random message, with a few bytes changed, cut,
//! moved or put in. Reading it may succeed or fail. It may not panic, not allocate more at once
//! than its own size and [`ALLOCATION_ABOVE_INPUT`], and what was read must survive being written.

#![allow(dead_code, reason = "each test uses its part")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Once;

use millrace_wire::{Reader, RequestHeader};

use crate::samples::{Message, Random, Refusal};

/// How much larger than its input one allocation may be.
pub const ALLOCATION_ABOVE_INPUT: usize = 1 << 20;

/// Random messages from which the inputs of one message and version are made.
const BASES: usize = 8;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    static CURRENT: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
}

/// The system's allocator, noting the largest allocation of each thread.
struct Watched;

#[global_allocator]
static WATCHED: Watched = Watched;

#[expect(unsafe_code, reason = "the only way to see allocations; each call goes to the system's")]
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn note(size: usize) {
    LARGEST.set(LARGEST.get().max(size));
}

/// Runs `action`; the size of the largest single allocation in it.
pub fn largest_allocation<T>(action: impl FnOnce() -> T) -> (T, usize) {
    LARGEST.set(0);
    let value = action();
    (value, LARGEST.get())
}

/// What a run saw.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    /// Inputs read.
    pub inputs: u64,
    /// Those that were messages after all.
    pub decoded: u64,
    /// Bytes of all inputs.
    pub bytes: u64,
    /// The largest single allocation.
    pub largest_allocation: usize,
}

/// The messages that inputs are made from.
pub struct Fuzz {
    seed: u64,
    targets: Vec<(&'static Message, i16)>,
    bases: Vec<Vec<u8>>,
    input: Vec<u8>,
}

impl Fuzz {
    /// Prepares the bases; a panic from now on names the input that it came from.
    pub fn new(seed: u64) -> Fuzz {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            #[expect(clippy::print_stderr, reason = "the way to the input of a panic")]
            std::panic::set_hook(Box::new(move |panic| {
                if let Some((seed, number)) = CURRENT.get() {
                    eprintln!("at --seed {seed} --first {number} --inputs 1");
                }
                before(panic);
            }));
        });
        let targets: Vec<_> = Message::each_version().collect();
        let mut bases = Vec::new();
        for (message, version) in &targets {
            for round in 0..BASES as u64 {
                let mut random = Random::new(seed ^ message.seed(*version, round));
                bases.push((message.sample)(&mut random, *version));
            }
        }
        Fuzz { seed, targets, bases, input: Vec::new() }
    }

    /// Reads the inputs from number `first` on, `count` of them.
    pub fn run(&mut self, first: u64, count: u64) -> Totals {
        let mut totals = Totals::default();
        for number in first..first + count {
            CURRENT.set(Some((self.seed, number)));
            let (message, version, input) = self.make(number);
            let (outcome, largest) = largest_allocation(|| message.again(input, version));
            assert!(
                largest <= input.len() + ALLOCATION_ABOVE_INPUT,
                "{} {version}: {largest} bytes at once for an input of {}",
                message.name,
                input.len()
            );
            // A header is read before anybody knows what follows: any bytes may stand there.
            let _ = RequestHeader::decode(&mut Reader::new(input));
            match outcome {
                Ok(written) => {
                    let again = message.again(&written, version);
                    assert_eq!(again.as_ref(), Ok(&written), "{} {version}", message.name);
                    totals.decoded += 1;
                }
                Err(Refusal::Decode(_)) => {}
                Err(Refusal::Encode(error)) => {
                    panic!("{} {version}: was read, cannot be written: {error}", message.name)
                }
            }
            totals.inputs += 1;
            totals.bytes += input.len() as u64;
            totals.largest_allocation = totals.largest_allocation.max(largest);
        }
        CURRENT.set(None);
        totals
    }

    /// Input `number`, and how it is to be read.
    pub fn make(&mut self, number: u64) -> (&'static Message, i16, &[u8]) {
        let mut random = Random::new(self.seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        let target = random.below(self.targets.len());
        // Now and then the bytes of another message.
        let base = match random.below(32) {
            0 => random.below(self.bases.len()),
            _ => target * BASES + random.below(BASES),
        };
        self.input.clear();
        self.input.extend_from_slice(&self.bases[base]);
        for _ in 0..1 + random.below(4) {
            let other = random.below(self.bases.len());
            mutate(&mut self.input, &self.bases[other], &mut random);
        }
        let (message, version) = self.targets[target];
        (message, version, &self.input)
    }
}

/// Numbers at the edges of lengths and counts, as they stand on the wire.
const EDGES: &[&[u8]] = &[
    &[0],
    &[1],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff],
    &[0x7f, 0xff],
    &[0x80, 0x00],
    &[0x00, 0x00, 0x00, 0x00],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xfe],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0x00, 0x00, 0x00],
    &[0x00, 0x00, 0xff, 0xff],
    &[0x00, 0x10, 0x00, 0x00],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0x80, 0x80, 0x80, 0x80, 0x08],
    &[0x80, 0x80, 0x80, 0x80, 0x80],
    &[0x80, 0x80, 0x04],
];

/// Changes `input` in one of nine ways.
fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let length = random.below(16).min(input.len() - at);
    match random.below(9) {
        0 | 1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        2 | 3 => {
            let edge = EDGES[random.below(EDGES.len())];
            for (byte, edge) in input[at..].iter_mut().zip(edge) {
                *byte = *edge;
            }
        }
        4 => drop(input.splice(at..at, EDGES[random.below(EDGES.len())].iter().copied())),
        5 => input.truncate(at),
        6 => drop(input.drain(at..at + length)),
        7 => {
            let repeated = input[at..at + length].to_vec();
            drop(input.splice(at..at, repeated));
        }
        _ => {
            input.truncate(at);
            input.extend_from_slice(&other[random.below(other.len() + 1)..]);
        }
    }
}
