//! The sync unit's stages and the channels between them. Connects, and nothing else.
//!
//! ```text
//! source ─Item─▶ translate ─Step─▶ dispatch ─Change─▶ lane 0..n ─▶ target
//! (stream,       (filter, ddl,     (causality)        (batch, fenced transaction)
//! transaction)    row)  │                                  │ acknowledge
//!                       └─Request─▶ control ◀──low──── ledger
//!                                   (checkpoint, runs DDL)
//! ```
//! Every channel is bounded, and row data counts against one memory budget from decoding to acknowledgement. Stages are
//! spawned last first. The first error ends all: the others are aborted wherever they are, which is safe at any await.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    control::{ControlState, ControlTask},
    counters::Counters,
    dispatch::{DispatchTask, is_gone},
    filter::Rules,
    lane::LaneTask,
    ledger::{Ledger, Watermark},
    memory::Budget,
    progress::CONTROL_LANE,
    safe_mode::SafeMode,
    source::SourceTask,
    start::Start,
    structure::Structures,
    translate::TranslateTask,
    writer::FencedWriter,
};
use crate::{
    error::{Code, DmError},
    units::{Ended, UnitEnv},
};

/// Row data in flight.
const BUDGET: u32 = 128 << 20;
/// A graceful stop takes at most this long.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Runs the stages until an error or `stop`.
pub async fn run(
    env: &UnitEnv,
    start: Start,
    rules: Rules,
    counters: Arc<Counters>,
    stop: CancellationToken,
) -> Result<Ended, DmError> {
    let config = env.config.clone();
    let syncer = &config.syncer;
    let lanes = start.lanes.len();
    let (ledger, ends) = (Arc::new(Ledger::new(lanes)), Arc::new(Watermark::default()));
    let mut tasks: JoinSet<Result<(), DmError>> = JoinSet::new();
    let writer = |lane: i32, batch: u64| {
        FencedWriter::new(start.target.clone(), &start.tables, &config.source_id, lane, env.fence, batch)
    };

    let (control, requests) = mpsc::channel(64);
    let mut checkpoint = tokio::spawn(
        ControlTask {
            target: start.target.clone(),
            tables: start.tables.clone(),
            source_id: config.source_id.clone(),
            writer: writer(CONTROL_LANE, start.control_batch),
            requests,
            ledger: ledger.clone(),
            ends: ends.clone(),
            counters: counters.clone(),
            flush_interval: Duration::from_secs(syncer.checkpoint_flush_interval.max(1)),
            state: ControlState::new(start.location.clone(), start.safe_until.clone(), start.intent.clone()),
        }
        .run(),
    );
    let _abort = AbortOnDrop(checkpoint.abort_handle());

    let mut senders = Vec::with_capacity(lanes);
    for (lane, (batch, _)) in start.lanes.iter().enumerate() {
        let (sender, changes) = mpsc::channel(syncer.queue_size.clamp(1, 1 << 16));
        senders.push(sender);
        tasks.spawn(
            LaneTask {
                lane: lane as u16,
                writer: writer(lane as i32, *batch),
                changes,
                ledger: ledger.clone(),
                counters: counters.clone(),
                batch_rows: syncer.batch.max(1),
                batch_bytes: start.target.packet_limit(),
            }
            .run(),
        );
    }
    let (steps, received) = mpsc::channel(1024);
    tasks.spawn(DispatchTask { steps: received, lanes: senders, ledger: ledger.clone(), ends: ends.clone() }.run());
    let (items, received) = mpsc::channel(64);
    tasks.spawn(
        TranslateTask {
            items: received,
            steps,
            control: control.clone(),
            rules,
            safe_mode: SafeMode::new(syncer.safe_mode, start.safe_until),
            covers: start.lanes.into_iter().map(|(_, cover)| cover).collect(),
            budget: Budget::new(BUDGET),
            source_info: start.source.dialect,
            foreign_keys: start.target.checks_foreign_keys(),
            row: Default::default(),
            structures: Structures::new(start.tracker, config.clone(), start.target, counters.clone()),
        }
        .run(),
    );
    tasks.spawn(SourceTask { config, start: start.location, items, counters, stop: stop.clone() }.run());

    // The source ends at a boundary after `stop`; each stage ends when the one before it did; errors end all.
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_LIMIT).await;
    };
    tokio::pin!(deadline);
    let mut gone = None;
    loop {
        tokio::select! {
            ended = tasks.join_next() => match (ended.map(outcome), gone.take()) {
                (None, None) => break,
                (None, Some(error)) => return Err(error),
                (Some(Ok(())), earlier) => gone = earlier,
                // It only missed its successor, whose own error counts.
                (Some(Err(error)), _) if is_gone(&error) => gone = Some(error),
                (Some(Err(error)), _) => return Err(error),
            },
            ended = &mut checkpoint => return outcome(ended).and(Err(DmError::new(Code::SyncerUnitPanic))),
            () = &mut deadline => {
                tracing::warn!("received ungraceful exit ctx, exit now");
                tasks.shutdown().await;
                break;
            }
        }
    }
    // Nothing is sent any more: what is durable is what the last checkpoint says.
    drop(control);
    outcome(checkpoint.await)?;
    Ok(Ended::Stopped)
}

fn outcome(ended: Result<Result<(), DmError>, tokio::task::JoinError>) -> Result<(), DmError> {
    match ended {
        Ok(result) => result,
        Err(error) => Err(DmError::new(Code::SyncerUnitPanic).msg("a stage of sync panicked").cause(error)),
    }
}

/// The checkpoint task must not outlive a dropped run.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
