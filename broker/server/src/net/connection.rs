//! One connection from its first byte to its last: requests in, answers out in the same order.
//!
//! One task does all of it. It reads the next request while answers are on their way, runs one
//! handler at a time, and stops reading when too much is unanswered: what a client sends too fast
//! stays in the socket, and TCP slows it down.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use millrace_core::limits;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::frame::{Frame, FrameReader, ReadError};
use super::outbox::Outbox;
use super::owed::{Owed, Wait};
use super::service::{ConnectionFacts, Service, Started};
use super::transport::{ReadHalf, WriteHalf};
use crate::metrics::Stamp;
use crate::refusal::Refusal;
use crate::reply::{Outcome, Reply};

/// How a connection came to its end.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The client closed, broke a rule, or the socket failed while reading.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The socket failed while writing.
    #[error("answer could not be sent")]
    Write(#[source] io::Error),
    /// A request broke a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing was asked for a long time.
    #[error("nothing asked for connections.max.idle.ms={}", .0.as_millis())]
    Unused(Duration),
    /// The broker stops, and all that could be answered is answered.
    #[error("broker stops")]
    Drained,
}

/// The state of one connection.
pub struct Connection<S, R, W> {
    service: Arc<S>,
    facts: Arc<ConnectionFacts>,
    frames: FrameReader<R>,
    outbox: Outbox<W>,
    /// The handler that runs.
    current: Option<Started>,
    /// Answers of the requests before it, in their order.
    owed: Owed,
    /// A request that must wait for those before it.
    next: Option<Frame>,
    is_draining: bool,
    idle_max: Option<Duration>,
    progress_at: Instant,
}

/// What happened.
enum Event {
    Draining,
    Handled(Result<Outcome, Refusal>),
    Answered(Result<Reply, Refusal>),
    Sent(io::Result<usize>),
    Received(Result<Frame, ReadError>),
    CrowdedOut(Refusal),
    IdleCheck,
}

impl<S: Service, R: ReadHalf, W: WriteHalf> Connection<S, R, W> {
    /// A connection whose halves are `reader` and `writer`.
    pub fn new(service: &Arc<S>, facts: ConnectionFacts, reader: R, writer: W) -> Self {
        let (net, options) = (service.net(), service.net().options());
        Connection {
            frames: FrameReader::new(reader, net.budget(), options.frame_bytes_max),
            idle_max: options.idle_max,
            service: Arc::clone(service),
            facts: Arc::new(facts),
            outbox: Outbox::new(writer),
            current: None,
            owed: Owed::default(),
            next: None,
            is_draining: false,
            progress_at: Instant::now(),
        }
    }

    /// Serves until the client goes, breaks a rule, or `draining` is cancelled and what is in
    /// flight is answered.
    pub async fn serve(&mut self, draining: &CancellationToken) -> End {
        let mut draining = pin!(draining.cancelled());
        let mut idle = pin!(sleep_until(self.idle_at()));
        loop {
            let done = match self.event(draining.as_mut(), idle.as_mut()).await {
                Event::Draining => {
                    self.is_draining = true;
                    Ok(())
                }
                Event::Handled(outcome) => self.handled(outcome),
                Event::Answered(reply) => self.answered(reply),
                Event::Sent(result) => self.sent(result),
                Event::Received(frame) => self.received(frame),
                Event::CrowdedOut(refusal) => Err(End::Refused(refusal)),
                Event::IdleCheck => self.check_idleness(idle.as_mut()),
            };
            let end = match done {
                Ok(()) if self.is_draining && self.is_drained() => End::Drained,
                Ok(()) => continue,
                Err(end) => end,
            };
            self.finish(&end).await;
            return end;
        }
    }

    /// Ends what has begun: a handler is not cut off in the middle, and who is refused still gets the
    /// answers to what was asked before.
    async fn finish(&mut self, end: &End) {
        if let Some(started) = self.current.take() {
            let _ = started.outcome.await;
        }
        let is_slow = matches!(end, End::Refused(Refusal::Stalled { .. }));
        if matches!(end, End::Refused(_)) && !is_slow {
            let sent =
                async { while !self.outbox.is_empty() && self.outbox.step().await.is_ok() {} };
            let grace = Duration::from_millis(limits::LAST_ANSWERS_MS_MAX);
            let _ = tokio::time::timeout(grace, sent).await;
        }
    }

    /// Waits for the next thing to happen. Answers come before requests: what is done makes room.
    async fn event(
        &mut self,
        draining: Pin<&mut WaitForCancellationFuture<'_>>,
        idle: Pin<&mut Sleep>,
    ) -> Event {
        let may_read = !self.is_draining && self.next.is_none() && self.owed.has_room();
        // What stands behind a request that waits for other clients must not hold up others.
        let is_parked = self.current.is_none() && self.owed.blocks_next();
        let Connection { frames, outbox, current, owed, next, .. } = self;
        // Requests that came together are answered together.
        let is_gathering = may_read && outbox.may_gather() && frames.has_frame();
        let handled = async {
            match current {
                Some(started) => started.outcome.as_mut().await,
                None => std::future::pending().await,
            }
        };
        let crowded_out = async {
            match next {
                Some(frame) if is_parked => frame.crowded_out().await,
                Some(_) | None => std::future::pending().await,
            }
        };
        tokio::select! { biased;
            () = draining, if !self.is_draining => Event::Draining,
            outcome = handled => Event::Handled(outcome),
            reply = owed.front(), if outbox.may_gather() => Event::Answered(reply),
            sent = outbox.step(), if !outbox.is_empty() && !is_gathering => Event::Sent(sent),
            frame = frames.next(), if may_read => Event::Received(frame),
            refusal = crowded_out => Event::CrowdedOut(refusal),
            () = idle => Event::IdleCheck,
        }
    }

    fn received(&mut self, frame: Result<Frame, ReadError>) -> Result<(), End> {
        let frame = frame?;
        self.progress_at = Instant::now();
        self.next = Some(frame);
        self.start_next()
    }

    /// Starts the handler of the request that waits, unless it must go on waiting.
    fn start_next(&mut self) -> Result<(), End> {
        if self.current.is_some() || self.owed.blocks_next() {
            return Ok(());
        }
        if let Some(frame) = self.next.take() {
            self.current = Some(self.service.start(&self.facts, frame)?);
        }
        Ok(())
    }

    fn handled(&mut self, outcome: Result<Outcome, Refusal>) -> Result<(), End> {
        let Some(started) = self.current.take() else {
            return Ok(());
        };
        match outcome? {
            Outcome::Reply(reply) if self.owed.is_empty() => self.send(started.stamp, reply),
            Outcome::Reply(reply) => {
                let ready = Box::pin(std::future::ready(Ok(reply)));
                self.owed.push(started.stamp, ready, Wait::Overlapping);
            }
            Outcome::Silent => self.service.answered(&started.stamp, 0),
            Outcome::Wait(reply) => self.owed.push(started.stamp, reply, Wait::Exclusive),
            Outcome::Overlap(reply) => self.owed.push(started.stamp, reply, Wait::Overlapping),
        }
        self.start_next()
    }

    fn answered(&mut self, reply: Result<Reply, Refusal>) -> Result<(), End> {
        let reply = reply?;
        if let Some(stamp) = self.owed.pop() {
            self.send(stamp, reply);
        }
        self.start_next()
    }

    fn send(&mut self, stamp: Stamp, reply: Reply) {
        self.service.answered(&stamp, reply.len());
        self.outbox.push(reply);
    }

    fn sent(&mut self, result: io::Result<usize>) -> Result<(), End> {
        result.map_err(End::Write)?;
        self.progress_at = Instant::now();
        Ok(())
    }

    /// When the connection has made no progress for too long.
    fn idle_at(&self) -> Instant {
        let far = Duration::from_hours(24 * 365);
        self.progress_at.checked_add(self.idle_max.unwrap_or(far)).unwrap_or(self.progress_at)
    }

    /// Ends the connection if the client makes no progress. One that waits for us is not idle.
    fn check_idleness(&mut self, mut idle: Pin<&mut Sleep>) -> Result<(), End> {
        let is_ours_to_move =
            self.outbox.is_empty() && (self.current.is_some() || !self.owed.is_empty());
        match self.idle_max {
            Some(_) if is_ours_to_move => self.progress_at = Instant::now(),
            Some(idle) if Instant::now() >= self.idle_at() => {
                let received_bytes = self.frames.received_bytes();
                return Err(match self.outbox.is_empty() && received_bytes == 0 {
                    true => End::Unused(idle),
                    false => End::Refused(Refusal::Stalled { received_bytes, idle }),
                });
            }
            Some(_) | None => {}
        }
        idle.as_mut().reset(self.idle_at());
        Ok(())
    }

    /// Whether nothing is left that is worth waiting for. What waits for other clients is not: they
    /// are told to go, too.
    fn is_drained(&self) -> bool {
        let is_idle = self.current.is_none() && self.outbox.is_empty();
        is_idle && (self.owed.is_empty() || self.owed.blocks_next() && self.owed.len() == 1)
    }
}

#[cfg(test)]
mod tests;
