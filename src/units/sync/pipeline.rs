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

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    change::Change,
    control::{ControlState, ControlTask, Request},
    counters::Counters,
    dispatch::{DispatchTask, Step, is_gone},
    filter::Rules,
    lane::LaneTask,
    ledger::{Ledger, Watermark},
    location::Boundary,
    memory::Budgets,
    online::Records,
    outlet::Outlet,
    progress::CONTROL_LANE,
    queue::{LaneQueue, queue},
    safe_mode::SafeMode,
    source::SourceTask,
    start::Start,
    structure::Structures,
    translate::TranslateTask,
    unmigrated::Unmigrated,
    writer::FencedWriter,
};
use crate::{
    error::{Code, DmError},
    schema::collation::SourceDefaults,
    units::{Ended, STOP_LIMIT, UnitEnv, senders::Senders},
};

/// Messages between the stages before the lanes, each of up to 256 events or changes.
const MESSAGES: usize = 4;
/// What a packet has beside its rows, with room for statements' heads.
const FENCE_BYTES: usize = 64 << 10;

type Stages = JoinSet<Result<(), DmError>>;
type Stage = JoinHandle<Result<(), DmError>>;

/// What all stages share.
struct Shared<'a> {
    env: &'a UnitEnv,
    ledger: Arc<Ledger>,
    ends: Arc<Watermark<Boundary>>,
    counters: Arc<Counters>,
}

/// Runs the stages until an error or `stop`.
pub async fn run(
    env: &UnitEnv,
    start: Start,
    rules: Rules,
    counters: Arc<Counters>,
    stop: CancellationToken,
    stop_limit: watch::Receiver<Duration>,
) -> Result<Ended, DmError> {
    let ledger = Arc::new(Ledger::new(start.lanes.len()));
    let shared = Shared { env, ledger, ends: Arc::new(Watermark::default()), counters };
    let mut stages = JoinSet::new();
    let (control, requests) = mpsc::channel(64);
    let checkpoint = spawn_control(&shared, &start, requests);
    let _abort = AbortOnDrop(checkpoint.abort_handle());
    let pulse = tokio::spawn(pulse(shared.counters.clone(), shared.ledger.clone()));
    let _pulse = AbortOnDrop(pulse.abort_handle());
    let lanes = spawn_lanes(&shared, &start, &mut stages);
    let (steps, received) = mpsc::channel(MESSAGES);
    let (ledger, ends) = (shared.ledger.clone(), shared.ends.clone());
    let task = env.config.name.clone();
    let counters = shared.counters.clone();
    counters.watch_lanes(&lanes);
    counters.watch("causality_input", &steps);
    stages.spawn(DispatchTask { task, steps: received, lanes, ledger, ends, counters }.run());
    spawn_readers(&shared, start, rules, steps, control.clone(), &stop, &mut stages);
    supervise(stages, checkpoint, control, stop, stop_limit).await
}

fn writer(shared: &Shared<'_>, start: &Start, lane: i32, batch: u64) -> FencedWriter {
    let UnitEnv { config, fence, .. } = shared.env;
    FencedWriter::new(start.target.clone(), &start.tables, &config.source_id, lane, *fence, batch)
}

fn spawn_control(shared: &Shared<'_>, start: &Start, requests: mpsc::Receiver<Request>) -> Stage {
    let config = &shared.env.config;
    let task = ControlTask {
        target: start.target.clone(),
        tables: start.tables.clone(),
        source_id: config.source_id.clone(),
        writer: writer(shared, start, CONTROL_LANE, start.control_batch),
        requests,
        ledger: shared.ledger.clone(),
        ends: shared.ends.clone(),
        counters: shared.counters.clone(),
        flush_interval: Duration::from_secs(config.syncer.checkpoint_flush_interval.max(1)),
        state: ControlState::new(
            start.location.clone(),
            start.safe_until.clone(),
            start.state.open_xa.clone(),
            start.intent.clone(),
        ),
    };
    tokio::spawn(task.run())
}

fn spawn_lanes(shared: &Shared<'_>, start: &Start, stages: &mut Stages) -> Vec<LaneQueue<Change>> {
    let syncer = &shared.env.config.syncer;
    let packet = Budgets::of(syncer.memory_limit).packet(start.lanes.len());
    let turns = Senders::new(start.lanes.len());
    shared.counters.watch_senders(&turns);
    let mut senders = Vec::with_capacity(start.lanes.len());
    for (lane, (batch, _)) in start.lanes.iter().enumerate() {
        let (sender, changes) = queue(syncer.queue_size);
        senders.push(sender);
        let task = LaneTask {
            lane: lane as u16,
            writer: writer(shared, start, lane as i32, *batch).of_rows(packet + FENCE_BYTES),
            changes,
            ledger: shared.ledger.clone(),
            counters: shared.counters.clone(),
            senders: turns.clone(),
            batch_rows: syncer.rows(),
            batch_bytes: start.target.packet_limit().min(packet),
        };
        stages.spawn(task.run());
    }
    senders
}

fn spawn_readers(
    shared: &Shared<'_>,
    start: Start,
    rules: Rules,
    steps: mpsc::Sender<Step>,
    control: mpsc::Sender<Request>,
    stop: &CancellationToken,
    stages: &mut Stages,
) {
    let (config, counters) = (shared.env.config.clone(), shared.counters.clone());
    let (items, received) = mpsc::channel(MESSAGES);
    counters.watch("compactor_input", &items);
    let budgets = Budgets::of(config.syncer.memory_limit);
    let outlet = Outlet { items, budget: budgets.stream };
    let unmigrated = Unmigrated::new(rules.of_rows());
    let structures = Structures::new(start.tracker, config.clone(), start.target, counters.clone());
    structures.held_back(&Records::default(), &start.online);
    let translate = TranslateTask {
        task: config.name.clone(),
        items: received,
        steps,
        control,
        rules,
        safe_mode: SafeMode::new(config.syncer.safe_mode, start.safe_until),
        ahead: start.ahead,
        covers: start.lanes.into_iter().map(|(_, cover)| cover).collect(),
        budget: budgets.rows,
        source_info: start.source.dialect,
        source_charsets: SourceDefaults {
            catalog: Some(start.source.charsets.clone()),
            server: start.source.dialect,
            ..SourceDefaults::default()
        },
        online: start.online,
        row: Default::default(),
        structures,
        unsaved: shared.env.unsaved.clone(),
    };
    stages.spawn(translate.run());
    let (start, open_xa) = (start.location, start.state.open_xa);
    stages.spawn(SourceTask { config, start, open_xa, outlet, unmigrated, counters, stop: stop.clone() }.run());
}

/// The source ends at a boundary after `stop`, each stage ends when the one before it did, errors end all.
async fn supervise(
    mut stages: Stages,
    mut checkpoint: Stage,
    control: mpsc::Sender<Request>,
    stop: CancellationToken,
    stop_limit: watch::Receiver<Duration>,
) -> Result<Ended, DmError> {
    let deadline = deadline(stop, stop_limit);
    tokio::pin!(deadline);
    let mut gone = None;
    loop {
        tokio::select! {
            ended = stages.join_next() => match (ended.map(outcome), gone.take()) {
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
                stages.shutdown().await;
                break;
            }
        }
    }
    // Nothing is sent any more: what is durable is what the last checkpoint says.
    drop(control);
    match tokio::time::timeout(STOP_LIMIT, &mut checkpoint).await {
        Ok(ended) => outcome(ended)?,
        // A DDL runs on: the next start finds its intent, and waits for it.
        Err(_) => tracing::warn!("stopped while a statement runs on the target; it is looked for at the next start"),
    }
    Ok(Ended::Stopped)
}

/// Until a stop has lasted as long as it may; the limit may be told while it lasts.
async fn deadline(stop: CancellationToken, mut limit: watch::Receiver<Duration>) {
    stop.cancelled().await;
    let begun = Instant::now();
    loop {
        let left = limit.borrow_and_update().saturating_sub(begun.elapsed());
        tokio::select! {
            () = tokio::time::sleep(left) => return,
            Ok(()) = limit.changed() => {}
        }
    }
}

fn outcome(ended: Result<Result<(), DmError>, tokio::task::JoinError>) -> Result<(), DmError> {
    match ended {
        Ok(result) => result,
        Err(error) => Err(DmError::new(Code::SyncerUnitPanic).msg("a stage of sync panicked").cause(error)),
    }
}

/// Looks at the run every second, whatever the stages wait for.
async fn pulse(counters: Arc<Counters>, ledger: Arc<Ledger>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for seconds in 0u64.. {
        second.tick().await;
        counters.tick(seconds, &ledger);
    }
}

/// A task that must not outlive a dropped run.
pub struct AbortOnDrop(pub tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
