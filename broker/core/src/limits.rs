//! Every bound of the broker that is not a Kafka config, in one file.
//!
//! What an operator may want to change is a config (`core::config`); what stands here follows from
//! how the broker is built. Each says its unit in its name.

/// How much of a frame is let in before the budget of requests is asked, in bytes. Small requests
/// fit and so are never held up by large ones.
pub const FRAME_START_BYTES: usize = 4 * 1024;

/// Most bytes that one read of a frame takes, and so is charged ahead of, in bytes.
pub const FRAME_READ_BYTES: usize = 256 * 1024;

/// How large the buffer of a frame is made at once, in bytes; a longer frame doubles it as its bytes
/// come in.
pub const FRAME_RESERVE_BYTES: usize = 1024 * 1024;

/// Frames up to this size share a quarter of the budget of requests, in bytes.
pub const FRAME_SMALL_BYTES_MAX: usize = 64 * 1024;

/// Frames above that and up to this size share half of the budget, in bytes: what clients send whose
/// limits (1 MiB) nobody has raised, with headers.
pub const FRAME_USUAL_BYTES_MAX: usize = 1024 * 1024 + 64 * 1024;

/// Frames above that and up to this size share a quarter of the budget, in bytes. Of larger ones one
/// at a time is let in, beside the budget.
pub const FRAME_LARGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// While others wait for its room, a frame must move on in this time, in milliseconds ...
pub const FRAME_PAUSE_MS_MAX: u64 = 500;

/// ... by so many bytes, or be complete, ...
pub const FRAME_PROGRESS_BYTES_MIN: usize = 16 * 1024;

/// ... and in any case be complete in this time, in milliseconds, ...
pub const FRAME_HOLDS_UP_OTHERS_MS_MAX: u64 = 10_000;

/// ... and one more millisecond for so many bytes of its length.
pub const FRAME_BYTES_PER_MS_MIN: u64 = 1024;

/// What requests in flight may take together where `queued.max.request.bytes` is not set (Kafka: no
/// bound), in bytes.
pub const REQUESTS_BYTES_DEFAULT: usize = 20 * 1024 * 1024;

/// How many requests of one connection may be unanswered; more are left in the socket.
pub const CONNECTION_REQUESTS_MAX: usize = 16;

/// How many bytes of requests one connection may have unanswered before no further one is read.
pub const CONNECTION_REQUESTS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Up to which size answers are gathered to be sent with one call, in bytes.
pub const ANSWERS_GATHERED_BYTES: usize = 16 * 1024;

/// How long a client that is refused may take to read the answers it has earned, in milliseconds.
pub const LAST_ANSWERS_MS_MAX: u64 = 1_000;

/// How long connections get to finish what is in flight when the broker stops, in milliseconds.
pub const SHUTDOWN_DRAIN_MS_MAX: u64 = 5_000;

/// File descriptors that are neither connections nor files of logs.
pub const DESCRIPTORS_RESERVED: usize = 100;

/// File descriptors that are put to use, however many the system allows.
pub const DESCRIPTORS_MAX: usize = 1_000_000;

/// File descriptors that a simulated broker has.
pub const DESCRIPTORS_SIMULATED: usize = 1_000;

/// How many files of logs may be open at least, or no log could be written.
pub const LOG_FILES_OPEN_MIN: usize = 64;

/// How long accepting pauses when the process is out of file descriptors or memory, in milliseconds.
pub const ACCEPT_BACKOFF_MS: u64 = 100;

/// How long the text that names a topic's owner may be, in bytes.
pub const OWNER_BYTES_MAX: usize = 1024;

/// How many refusals are logged in a second; the rest is counted.
pub const REFUSALS_LOGGED_PER_SECOND_MAX: u32 = 10;

/// What one record of the offsets topic takes beside its key and value, at most, in bytes: the
/// header of its batch and its own lengths.
pub const GROUP_RECORD_OVERHEAD_BYTES: usize = 256;

/// How many groups one partition of the offsets topic coordinates. With Kafka's 50 partitions that
/// is 5 million groups.
pub const GROUPS_PER_COORDINATOR_MAX: usize = 100_000;

/// How many members of a group may have been told their id and not have joined with it. A client
/// that asks for ids and never uses them is stopped here.
pub const GROUP_PENDING_MEMBERS_MAX: usize = 10_000;

/// How many members, with those that have yet to join, one partition of the offsets topic watches
/// in all groups together, at some 600 bytes each. Who asks for ids in the name of ever new groups is
/// stopped here.
pub const GROUP_SESSIONS_PER_COORDINATOR_MAX: usize = 100_000;

/// What a member may say of itself for all ways of dividing the work together, in bytes. What it says
/// for the one that is chosen must fit into one record, which by default takes 1 MiB for all members.
pub const GROUP_PROTOCOLS_BYTES_PER_MEMBER_MAX: usize = 4 * 1024 * 1024;

/// What the members of all groups of one partition of the offsets topic may take together, with what
/// they say of themselves and what they are assigned, in bytes. Members stay as long as their sessions
/// last, also when their clients are gone.
pub const GROUP_MEMBERS_BYTES_PER_COORDINATOR_MAX: usize = 16 * 1024 * 1024;

/// How often at most a coordinator says that its members take too much, in milliseconds.
pub const GROUP_MEMBERS_WARNING_MS: i64 = 60_000;

/// How many ways of dividing the work a member may offer; consumers offer one or two.
pub const GROUP_PROTOCOLS_PER_MEMBER_MAX: usize = 256;

/// How long the JoinGroup of a new member waits for a rebalance to end, in milliseconds. Who goes
/// away while waiting is taken for a member that long. Source: Kafka's
/// `CLASSIC_GROUP_NEW_MEMBER_JOIN_TIMEOUT_MS`.
pub const GROUP_NEW_MEMBER_JOIN_MS_MAX: u32 = 300_000;

/// After how many tombstones the look for expired offsets makes way for requests.
pub const GROUP_EXPIRED_RECORDS_PER_TURN_MAX: usize = 10_000;

/// How long a rebalance at least waits again when no member has come back, in milliseconds; members
/// may ask for no wait at all.
pub const GROUP_REBALANCE_WAIT_MS_MIN: u32 = 100;

/// How many bytes of batches a request's own thread writes; more go to a thread that may wait for
/// the disk. Handing over costs as much as writing some 300 KiB.
pub const APPEND_INLINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A write that takes longer shows that the disk does not keep pace, in milliseconds ...
pub const APPEND_SLOW_MS: u64 = 10;

/// ... and for so long all writes go to threads that may wait for it, in milliseconds.
pub const APPEND_SLOW_FOR_MS: u64 = 1_000;

/// How often a request writes what others have queued meanwhile before it hands that over.
pub const APPEND_TURNS_MAX: usize = 8;

/// Records of a fetch up to this size are copied into the answer; larger ones go from the file to the
/// socket.
pub const FETCH_COPIED_BYTES_MAX: usize = 8 * 1024;

/// How many bytes of records are copied into one answer; it is in memory until its client takes it.
pub const FETCH_ANSWER_COPIED_BYTES_MAX: usize = 256 * 1024;

/// How many files the logs of a broker keep open for reading and writing.
pub const OPEN_FILES_MAX: usize = 4096;

/// How many of the records that break a rule are named in one refusal of a produce. Kafka names all.
pub const REFUSED_RECORDS_MAX: usize = 100;

/// Compressed records may unfold to so many times `max.message.bytes` where the broker has to read
/// them, ...
pub const UNPACKED_PER_MESSAGE_BYTES_MAX: usize = 32;

/// ... but always to this many bytes, ...
pub const UNPACKED_BYTES_MIN: usize = 32 * 1024 * 1024;

/// ... and never to more than this.
pub const UNPACKED_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// What batches may take together that are unpacked at the same time, in bytes, each counted by how
/// far it may unfold. One that may unfold further is unpacked alone.
pub const UNPACKING_BYTES_MAX: usize = 4 * UNPACKED_BYTES_MIN;

/// How many partitions all fetch sessions may remember together, at some 200 bytes each; beyond it
/// fetches are answered without a session, which clients understand.
pub const FETCH_SESSION_PARTITIONS_MAX: usize = 250_000;

/// How long a fetch session is safe from making room for a larger one, in milliseconds. As in Kafka.
pub const FETCH_SESSION_EVICTION_MS_MIN: i64 = 120_000;

/// Partitions that one request may create: they are one entry of the metadata log.
///
/// Source: Kafka's `ReplicationControlManager.MAX_PARTITIONS_PER_BATCH`.
pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

/// Partitions that a cluster may have: all are in each broker's memory.
pub const PARTITIONS_MAX: usize = 1_000_000;

/// Changes of configs that one request may make: they are one entry of the metadata log.
///
/// Source: Kafka's `ConfigurationControlManager.MAX_RECORDS_PER_USER_OP`.
pub const CONFIG_CHANGES_PER_REQUEST_MAX: usize = 10_000;

/// Producer ids that a broker gets at once. Source: Kafka's `ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`.
pub const PRODUCER_IDS_PER_BLOCK: u64 = 1000;

/// Changes of the metadata that may wait for the write that is under way.
pub const METADATA_COMMANDS_QUEUED_MAX: usize = 1024;

/// Bytes of records that one write of the metadata log takes at most, beside the last change in it.
pub const METADATA_WRITE_BYTES: usize = 4 * 1024 * 1024;

/// How much of a coordinator's log is read at once when it is replayed, in bytes.
pub const COORDINATOR_REPLAY_READ_BYTES: usize = 1024 * 1024;

/// How long a coordinator whose log cannot be read waits until it tries again, in milliseconds.
pub const COORDINATOR_REPLAY_RETRY_MS: u64 = 1_000;

/// How long a coordinator whose log is not committed to its end waits until it looks again, in
/// milliseconds.
pub const COORDINATOR_SETTLE_RETRY_MS: u64 = 10;
