//! Random values of every message and version, and the table that the tests walk.
//!
//! `MESSAGES` and the functions behind it are generated from the schemas by
//! `build/emit/samples.rs`; here is what they need.

#![allow(
    dead_code,
    unused_variables,
    clippy::all,
    clippy::pedantic,
    reason = "generated, and each test uses its part"
)]

use std::borrow::Cow;
use std::ops::RangeInclusive;

use millrace_types::Uuid;
use millrace_wire::{ApiKey, Decode, DecodeError, Encode, EncodeError, Reader, messages};

include!(concat!(env!("OUT_DIR"), "/samples.rs"));

/// A message as the tests see it: bytes in, bytes out.
pub struct Message {
    /// Name for failures.
    pub name: &'static str,
    /// Kafka's class, without its package.
    pub java: &'static str,
    /// The API; `None` for records.
    pub key: Option<ApiKey>,
    /// All versions.
    pub versions: RangeInclusive<i16>,
    /// Encodes a random value, after a check that it decodes to itself.
    pub sample: fn(&mut Random, i16) -> Vec<u8>,
    /// Decodes as the first version has it, and encodes as the second one has it.
    pub recode: fn(&[u8], i16, i16) -> Result<Vec<u8>, Refusal>,
    /// The fields of a version, in the notation of `oracle/Oracle.java`.
    pub layout: fn(i16) -> String,
}

/// Why bytes could not be brought from one version to another.
#[derive(Debug, PartialEq)]
pub enum Refusal {
    /// They are no such message.
    Decode(DecodeError),
    /// The other version cannot say it.
    Encode(EncodeError),
}

impl Message {
    /// Every message in every version.
    pub fn each_version() -> impl Iterator<Item = (&'static Message, i16)> {
        MESSAGES.iter().flat_map(|message| message.versions.clone().map(move |v| (message, v)))
    }

    /// Decodes and encodes again.
    pub fn again(&self, bytes: &[u8], version: i16) -> Result<Vec<u8>, Refusal> {
        (self.recode)(bytes, version, version)
    }

    /// The number that makes one sequence of random values for this message and version.
    pub fn seed(&self, version: i16, round: u64) -> u64 {
        let name = self
            .name
            .bytes()
            .fold(0_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        name ^ u64::from(version.unsigned_abs()) << 48 ^ round
    }
}

fn encode<M: Encode>(value: &M, version: i16) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out, version).expect("a random value is one that can be written");
    out
}

fn recode<'a, M: Decode<'a> + Encode>(
    bytes: &'a [u8],
    from: i16,
    to: i16,
) -> Result<Vec<u8>, Refusal> {
    let mut reader = Reader::new(bytes);
    let value = M::decode(&mut reader, from).map_err(Refusal::Decode)?;
    reader.finish(M::NAME).map_err(Refusal::Decode)?;
    let mut out = Vec::new();
    value.encode(&mut out, to).map_err(Refusal::Encode)?;
    Ok(out)
}

/// A stream of random numbers: splitmix64.
pub struct Random(u64);

impl Random {
    /// The same seed gives the same stream.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Any 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Mostly small numbers and the ends of the ranges.
    pub fn int64(&mut self) -> i64 {
        match self.below(8) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => -1,
            3 | 4 => self.next().cast_signed(),
            _ => (self.next() & 0xff).cast_signed(),
        }
    }

    fn int32(&mut self) -> i32 {
        self.int64() as i32
    }

    fn int16(&mut self) -> i16 {
        self.int64() as i16
    }

    fn int8(&mut self) -> i8 {
        self.int64() as i8
    }

    fn uuid(&mut self) -> Uuid {
        let bits = if self.one_in(4) { 0 } else { u128::from(self.next()) << 64 };
        Uuid::from_bytes((bits | u128::from(self.next() & 0xff)).to_be_bytes())
    }

    /// Mostly short, sometimes so long that its compact length takes two bytes.
    fn length(&mut self) -> usize {
        match self.below(16) {
            0 | 1 => 0,
            2 => 120 + self.below(16),
            _ => self.below(12),
        }
    }

    fn string(&mut self) -> String {
        const LETTERS: [char; 12] =
            ['a', 'b', 'Z', '0', '.', '_', '-', '"', '\n', 'é', '\u{2603}', '\u{1f980}'];
        (0..self.length()).map(|_| LETTERS[self.below(LETTERS.len())]).collect()
    }

    fn blob(&mut self) -> Vec<u8> {
        (0..self.length()).map(|_| (self.next() & 0xff) as u8).collect()
    }

    fn array<T>(&mut self, mut element: impl FnMut(&mut Random) -> T) -> Vec<T> {
        let count = if self.one_in(3) { 0 } else { 1 + self.below(3) };
        (0..count).map(|_| element(self)).collect()
    }

    fn nullable<T>(&mut self, value: impl FnOnce(&mut Random) -> T) -> Option<T> {
        if self.one_in(3) { None } else { Some(value(self)) }
    }
}
