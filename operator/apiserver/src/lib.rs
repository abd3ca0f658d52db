//! A Kubernetes API server in memory, as the tower service under kube's client: for tests only.
//!
//! It answers as the real one does (resource versions, conflicts, watches, server-side apply with
//! field ownership, schemas of custom resources, garbage collection) and is deterministic by seed
//! on tokio's paused clock. Between a client and the server [`faults::Faults`] can go wrong.
//!
//! [`fidelity::run`] tries the same small cases against this server and any real one.
//!
//! ```
//! use millrace_apiserver::{ApiServer, Fate, Faults};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let server = ApiServer::new(7);
//! server.run_controllers();
//! server.with_fates(|fates| fates.set("default", "b-0", Some(Fate::Running)));
//! // The operator under test dies after its third write; the test's own client goes on.
//! let faults = Faults::new(7);
//! faults.crash_after_write(3);
//! let _operator = server.client_with("default", &faults);
//! let _test = server.client("default");
//! assert!(faults.writes().is_empty());
//! # }
//! ```
//!
//! What is otherwise than on a real server is said where it is: look for `Differs from Kubernetes`.
//! Besides, there are no users and rights, no admission webhooks, no quotas, no protobuf or CBOR,
//! no `Table` output, no conversion between versions of a custom resource, and no cost limit for
//! CEL, so that a definition that is accepted here may still be refused there.

mod controllers;
mod discovery;
mod kinds;
mod server;
mod service;
mod shared;
mod verbs;
mod watch;

pub mod apply;
pub mod clock;
pub mod fates;
pub mod faults;
pub mod fidelity;
pub mod object;
pub mod registry;
pub mod request;
pub mod resource;
pub mod schema;
pub mod selector;
pub mod status;
pub mod store;
pub mod world;

pub use fates::{Fate, Fates};
pub use faults::{Fault, Faults, Rates, Rule};
pub use server::ApiServer;
pub use service::ApiService;
pub use shared::AnswerBody;
pub use status::ApiError;
