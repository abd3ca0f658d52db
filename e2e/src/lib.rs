//! The harness of the end-to-end tests: brokers as processes, foreign clients as programs.
//!
//! A test starts a broker ([`broker`]), runs clients that others wrote against it ([`client`],
//! [`program`]) and compares what they say. Every test runs against Millrace, or, with
//! `MILLRACE_E2E_TARGET=kafka`, against Apache Kafka: so the tests themselves are proven on the
//! original. The tests are in `e2e/tests`, one promise a file; the programs in `e2e/clients`.

pub mod broker;
pub mod client;
pub mod disk;
pub mod dump;
pub mod feature;
pub mod group;
pub mod load;
pub mod matrix;
pub mod program;
pub mod scenario;
pub mod soak;
pub mod stored;
