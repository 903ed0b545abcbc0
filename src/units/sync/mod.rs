//! The sync unit: reads the source's binlog and applies every change to the target exactly once.
//!
//! `pipeline.rs` is the first file to read: it only connects the stages. `start.rs` is what happens before rows flow,
//! `writer.rs` one fenced transaction, `ledger.rs` what is durable.

mod advice;
mod ahead;
mod batch;
mod causality;
mod change;
mod checkpoint;
mod clock;
mod conflicts;
mod control;
mod counters;
mod cover;
mod ddl;
pub mod ddl_alike;
mod ddl_effect;
mod ddl_intent;
mod ddl_lock;
mod ddl_modes;
mod ddl_object;
mod ddl_renames;
mod ddl_run;
mod ddl_text;
mod ddl_watch;
mod dispatch;
mod domain;
mod dumped;
mod encode;
mod events;
mod filter;
mod first_store;
pub mod fold;
mod keys;
mod known;
mod lacking;
mod lane;
mod lane_number;
mod layout;
mod ledger;
mod locate;
mod location;
mod lookup;
pub mod measured;
mod memory;
mod missing;
mod no_table;
mod online;
mod operated;
mod origin;
mod orphans;
mod outlet;
mod partial;
mod pipeline;
mod place;
mod presumed;
mod progress;
mod queue;
mod relations;
mod replay;
mod safe_mode;
mod savepoints;
mod source;
mod source_row;
mod source_state;
mod stall;
mod start;
mod structure;
mod table;
mod tables;
mod target;
pub mod tracked;
mod transaction;
mod translate;
mod unmigrated;
mod unsaved;
mod unsettled;
mod versions;
mod watch;
mod watchers;
mod writer;
mod xa;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::watch as watch_channel;
use tokio_util::sync::CancellationToken;

use self::counters::Counters;
pub use self::unsaved::Unsaved;
use crate::{
    error::{DmError, EventRef},
    pb,
    rules::operator::{Operator, Operators},
    units::{Ended, STOP_LIMIT, Unit, UnitEnv},
};

/// The unit of the incremental phase.
pub struct SyncUnit {
    env: UnitEnv,
    counters: Arc<Counters>,
    operators: Arc<Operators>,
    failed: Mutex<Option<EventRef>>,
    stop_limit: watch_channel::Sender<Duration>,
}

impl SyncUnit {
    /// A unit for one run. Connects to nothing yet.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(env: UnitEnv) -> Box<dyn Unit> {
        let counters = Arc::new(Counters::new(&env));
        Box::new(SyncUnit {
            env,
            counters,
            operators: Arc::default(),
            failed: Mutex::default(),
            stop_limit: watch_channel::Sender::new(STOP_LIMIT),
        })
    }

    async fn begin_and_run(&self, stop: CancellationToken) -> Result<Ended, DmError> {
        let rules = filter::Rules::new(&self.env.config)?.with_operators(self.operators.clone());
        let start = tokio::select! {
            start = start::start(&self.env) => start?,
            () = stop.cancelled() => return Ok(Ended::Stopped),
        };
        self.counters.set_clock_offset(start.source.clock_offset);
        self.counters.set_source(start.source.location.clone());
        self.counters.set_flushed(&start.location);
        if let Some(note) = &start.note {
            tracing::warn!(note);
            self.counters.note("start-time".to_owned(), note.clone());
        }
        let watch = tokio::spawn(watch::watch(self.env.config.clone(), self.counters.clone()));
        let _watch = pipeline::AbortOnDrop(watch.abort_handle());
        pipeline::run(&self.env, start, rules, self.counters.clone(), stop, self.stop_limit.subscribe()).await
    }
}

#[async_trait]
impl Unit for SyncUnit {
    fn kind(&self) -> pb::UnitType {
        pb::UnitType::Sync
    }

    /// Replication has no end.
    async fn is_finished(&self) -> Result<bool, DmError> {
        Ok(false)
    }

    async fn run(&self, stop: CancellationToken) -> Result<Ended, DmError> {
        self.begin_and_run(stop).await.map_err(|error| {
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = error.event().cloned();
            advice::advise(error, &self.env.config)
        })
    }

    fn stop_within(&self, limit: Duration) {
        self.stop_limit.send_replace(limit);
    }

    fn set_operators(&self, operators: Vec<Operator>) {
        self.operators.set(operators);
    }

    fn failed_event(&self) -> Option<EventRef> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn status(&self) -> pb::sub_task_status::Status {
        pb::sub_task_status::Status::Sync(self.counters.status())
    }

    async fn fresh_status(&self) -> pb::sub_task_status::Status {
        if let Err(error) = watch::look(&self.env.config, &self.counters).await {
            tracing::warn!(error = %error, "the source did not tell its binlog position");
        }
        let more = Some(self.counters.more());
        pb::sub_task_status::Status::Sync(pb::SyncStatus { more, ..self.counters.status() })
    }

    fn notes(&self) -> Vec<String> {
        self.counters.notes()
    }
}
