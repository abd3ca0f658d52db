//! The classic group protocol, in which the members divide the work among themselves and the
//! coordinator keeps them in step. One file for each command.
//!
//! ```text
//!            first join                      all joined, or too late
//!   Empty ───────────────► PreparingRebalance ───────────────────────► CompletingRebalance
//!     ▲                     │   ▲        ▲                               │        │
//!     │     nobody joined   │   │        │     join, leave, failure      │        │ leader's
//!     └─────────────────────┘   │        └───────────────────────────────┘        │ decision is
//!                               │  join of the leader or with news, leave,        ▼ in the log
//!                               └───────────────────────────────────────────── Stable
//! ```
//! Source: `GroupMetadataManager.classicGroup*`, `ClassicGroup` of Apache Kafka 4.3; KIP-62, KIP-134,
//! KIP-345, KIP-394, KIP-559, KIP-814.

pub(super) mod expire;
pub(super) mod heartbeat;
pub(super) mod join;
mod joining;
pub(super) mod leave;
pub(super) mod load;
pub(super) mod rebalance;
pub(super) mod replace;
pub(super) mod sync;
