//! Produce: each partition's batch is looked at, queued in order, and answered when its partition's
//! writer says so. What may be appended is decided in `core::replication::append`.

use bytes::Bytes;
use millrace_core::metadata::is_internal;
use millrace_core::replication::acks::Acks;
use millrace_core::replication::append::{AppendError, Arrival, Candidate, RefusedRecord, inspect};
use millrace_core::replication::fetch_session::TopicRef;
use millrace_types::{ErrorCode, Offset, TimestampMs};
use millrace_wire::Reader;
use millrace_wire::hot::produce::{ProduceRequest, ProduceTopic};
use millrace_wire::messages::produce::{
    Response, ResponseResponse, ResponseResponsePartitionResponse,
    ResponseResponsePartitionResponseRecordError,
};
use millrace_wire::record::BatchHeader;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

use super::RequestContext;
use crate::net::frame::Frame;
use crate::partition::{Answer, Appended, Drain, Partition, PartitionError};
use crate::refusal::Refusal;
use crate::reply::{Outcome, Reply};

/// One partition of the request.
struct Slot {
    topic: TopicRef,
    index: i32,
    /// `None` if there is none here.
    partition: Option<Arc<Partition>>,
    state: State,
}

/// How far it is.
enum State {
    /// It is to be queued.
    Ready(Box<Candidate>),
    /// It is queued.
    Waiting(Answer),
    /// It was written.
    Appended(Appended),
    /// It was refused.
    Refused(Refused),
}

/// Why it was refused.
enum Refused {
    /// There is no such partition here, or the whole request is wrong.
    Code(ErrorCode),
    /// By its partition.
    Partition(PartitionError),
}

/// Answers a Produce.
///
/// # Errors
/// The request cannot be read, or it wants no answer and something went wrong.
pub async fn handle(context: RequestContext, frame: Frame) -> Result<Outcome, Refusal> {
    let version = context.version;
    let request = ProduceRequest::decode(&mut Reader::new(&frame.bytes), version)
        .map_err(|source| context.unreadable(&frame.bytes, source))?;
    let acks = Acks::from_wire(request.acks);
    let mut slots = Vec::with_capacity(request.partitions.len());
    for partition in &request.partitions {
        let topic = match &partition.topic {
            ProduceTopic::Name(name) => TopicRef::Name(Arc::from(&**name)),
            ProduceTopic::Id(id) => TopicRef::Id(*id),
        };
        let records = partition.records.map(|records| frame.bytes.slice_ref(records));
        let index = partition.index;
        let partition = match &acks {
            Ok(_) => context.broker.partitions().find(&topic, index),
            Err(error) => Err(error.error_code()),
        };
        let state = match &partition {
            Ok(partition) => look_at(&context, partition, records).await,
            Err(code) => State::Refused(Refused::Code(*code)),
        };
        slots.push(Slot { topic, index, partition: partition.ok(), state });
    }
    let timeout_ms = request.timeout_ms;
    let acks = acks.unwrap_or(Acks::Leader);
    submit(&context, &mut slots, acks).await;
    slots.iter_mut().for_each(Slot::collect);
    if acks == Acks::None {
        return unanswered(slots).await;
    }
    if slots.iter().all(Slot::is_done) {
        return reply(&context, &slots).map(Outcome::Reply);
    }
    let deadline = deadline(acks, timeout_ms);
    Ok(Outcome::Overlap(Box::pin(async move {
        // The records are in memory until they are answered: the frame's share of the budget stays.
        let _frame = frame;
        for slot in &mut slots {
            slot.wait(deadline, timeout_ms).await;
        }
        reply(&context, &slots)
    })))
}

/// Looks at what is to be appended to a partition.
async fn look_at(context: &RequestContext, partition: &Partition, records: Option<Bytes>) -> State {
    if is_internal(partition.id().topic.as_str()) && !is_admin(context) {
        return State::Refused(Refused::Code(ErrorCode::InvalidTopicException));
    }
    let env = context.broker.env();
    let terms = partition.terms();
    let arrival = Arrival { version: context.version, now: env.clock.now() };
    let header = records.as_deref().and_then(|bytes| BatchHeader::parse(bytes).ok());
    let is_costly = header.is_some_and(|header| terms.rules.are_costly_for(&header, arrival.now));
    let bytes_max = terms.rules.unpacked_bytes_max();
    let look = move || inspect(records.as_ref(), &terms.rules, arrival);
    let candidate =
        if is_costly { env.unpacking.run(env.blocking, bytes_max, look).await } else { look() };
    match candidate {
        Ok(candidate) => State::Ready(Box::new(candidate)),
        Err(error) => State::Refused(Refused::Partition(PartitionError::Append(error))),
    }
}

/// Whether the client calls itself the one that may write what only coordinators write.
///
/// Source: `AdminUtils.ADMIN_CLIENT_ID`, `KafkaApis.handleProduceRequest`.
fn is_admin(context: &RequestContext) -> bool {
    context.client_id.as_deref() == Some("__admin_client")
}

/// Queues all that is ready, in the order of the request, and writes it where that holds nobody up.
async fn submit(context: &RequestContext, slots: &mut [Slot], acks: Acks) {
    let mut drains: Vec<Drain> = Vec::new();
    let mut bytes: usize = 0;
    for slot in slots {
        let Some(partition) = &slot.partition else { continue };
        let state =
            std::mem::replace(&mut slot.state, State::Refused(Refused::Code(ErrorCode::None)));
        slot.state = match state {
            State::Ready(candidate) => {
                bytes = bytes.saturating_add(candidate.size_bytes());
                let (answer, drain) = partition.submit(*candidate, acks);
                drains.extend(drain);
                State::Waiting(answer)
            }
            other @ (State::Waiting(_) | State::Appended(_) | State::Refused(_)) => other,
        };
    }
    let write = move || drains.into_iter().for_each(Drain::run);
    let env = context.broker.env();
    if env.pace.allows(bytes) {
        write();
    } else {
        env.blocking.run(write).await;
    }
}

/// A producer that wants no answer hears of a failure by the close of its connection.
async fn unanswered(mut slots: Vec<Slot>) -> Result<Outcome, Refusal> {
    for slot in &mut slots {
        slot.wait(None, 0).await;
        if let State::Refused(refused) = &slot.state {
            return Err(Refusal::Unacknowledged { error: refused.error_code() });
        }
    }
    Ok(Outcome::Silent)
}

/// Only who waits for other replicas waits no longer than it says.
fn deadline(acks: Acks, timeout_ms: i32) -> Option<Instant> {
    let wait = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    match acks {
        Acks::All => Instant::now().checked_add(wait),
        Acks::None | Acks::Leader => None,
    }
}

impl Slot {
    const fn is_done(&self) -> bool {
        matches!(self.state, State::Appended(_) | State::Refused(_))
    }

    /// Takes the answer, if it is there.
    fn collect(&mut self) {
        if let State::Waiting(answer) = &mut self.state
            && let Ok(result) = answer.try_recv()
        {
            self.state = State::of(result);
        }
    }

    /// Waits for the answer, but not past the deadline.
    async fn wait(&mut self, deadline: Option<Instant>, timeout_ms: i32) {
        let State::Waiting(answer) = &mut self.state else { return };
        let result = match deadline {
            None => Ok(answer.await),
            Some(deadline) => timeout_at(deadline, answer).await,
        };
        self.state = match result {
            Ok(Ok(result)) => State::of(result),
            // The partition is gone and with it who would have answered.
            Ok(Err(_)) => State::Refused(Refused::Code(ErrorCode::NotLeaderOrFollower)),
            Err(_) => State::of(Err(PartitionError::TimedOut { timeout_ms })),
        };
    }

    fn answer(&self) -> ResponseResponsePartitionResponse<'_> {
        let answer = ResponseResponsePartitionResponse {
            index: self.index,
            base_offset: -1,
            ..ResponseResponsePartitionResponse::default()
        };
        let log_start = || self.partition.as_ref().map(|one| one.reader().start_offset());
        let refused = match &self.state {
            State::Appended(appended) => {
                return ResponseResponsePartitionResponse {
                    base_offset: appended.base_offset.to_wire(),
                    log_append_time_ms: appended.log_append_time.map_or(-1, TimestampMs::to_wire),
                    log_start_offset: appended.log_start.to_wire(),
                    ..answer
                };
            }
            State::Refused(refused) => refused,
            // Nothing is answered before all are done.
            State::Ready(_) | State::Waiting(_) => &Refused::Code(ErrorCode::UnknownServerError),
        };
        ResponseResponsePartitionResponse {
            error_code: refused.error_code().code(),
            error_message: refused.text().map(Into::into),
            record_errors: refused.records(),
            log_start_offset: log_start()
                .filter(|_| refused.tells_log_start())
                .map_or(-1, Offset::to_wire),
            ..answer
        }
    }
}

impl State {
    fn of(result: Result<Appended, PartitionError>) -> State {
        match result {
            Ok(appended) => State::Appended(appended),
            Err(error) => State::Refused(Refused::Partition(error)),
        }
    }
}

impl Refused {
    fn error_code(&self) -> ErrorCode {
        match self {
            Refused::Code(code) => *code,
            Refused::Partition(error) => error.error_code(),
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Refused::Code(_) => None,
            Refused::Partition(error) => Some(error.to_string()),
        }
    }

    /// Source: `ReplicaManager.appendRecordsToLeader`.
    fn tells_log_start(&self) -> bool {
        match self {
            Refused::Code(_) => false,
            Refused::Partition(error) => match error {
                PartitionError::Append(error) => error.tells_log_start(),
                PartitionError::Acks(_) | PartitionError::TimedOut { .. } => true,
                PartitionError::NotLeader { .. }
                | PartitionError::LeaderEpoch(_)
                | PartitionError::NotInMemory
                | PartitionError::DeleteRecords(_)
                | PartitionError::Log { .. } => false,
            },
        }
    }

    fn records(&self) -> Vec<ResponseResponsePartitionResponseRecordError<'_>> {
        let Refused::Partition(PartitionError::Append(error @ AppendError::Records { .. })) = self
        else {
            return Vec::new();
        };
        error
            .records()
            .map(|RefusedRecord { index, reason }| ResponseResponsePartitionResponseRecordError {
                batch_index: index.cast_signed(),
                batch_index_error_message: Some(reason.into()),
            })
            .collect()
    }
}

fn reply(context: &RequestContext, slots: &[Slot]) -> Result<Reply, Refusal> {
    let mut responses: Vec<ResponseResponse<'_>> = Vec::new();
    let mut before: Option<&TopicRef> = None;
    for slot in slots {
        if before != Some(&slot.topic) {
            let mut response = ResponseResponse::default();
            match &slot.topic {
                TopicRef::Name(name) => response.name = (&**name).into(),
                TopicRef::Id(id) => response.topic_id = *id,
            }
            responses.push(response);
            before = Some(&slot.topic);
        }
        if let State::Refused(refused) = &slot.state {
            context.count(refused.error_code());
        }
        if let Some(response) = responses.last_mut() {
            response.partition_responses.push(slot.answer());
        }
    }
    context.reply(&Response { responses, ..Response::default() })
}
