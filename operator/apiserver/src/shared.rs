//! What all clients and controllers of one server share, and how its absence looks.

use std::io::{Error, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use crate::world::World;

/// A body as it goes to the client: whole, or line by line as a watch.
pub type AnswerBody = UnsyncBoxBody<Bytes, Error>;

/// The state of one server behind its lock.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
}

impl Shared {
    pub(crate) fn new(world: World) -> Shared {
        Shared { world: Mutex::new(world) }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        // No code under the lock leaves the world half changed when it panics in a test.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client sees of a server that is not there.
pub(crate) fn unreachable() -> Error {
    Error::new(ErrorKind::ConnectionReset, "connection reset by peer")
}
