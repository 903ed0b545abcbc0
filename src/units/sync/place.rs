//! Where a run begins: the dump's place, `meta`, `--start-time`, or the checkpoint's, as positions or GTIDs.

use std::path::Path;

use super::{
    locate::{self, Found},
    source_state::SourceState,
    start::SourceFacts,
};
use crate::{
    config::{GoDuration, SubtaskConfig, subtask::TaskMode},
    error::{Code, DmError},
    mysql::{
        gtid::GtidSet,
        position::{BinlogPosition, Location},
    },
    units::{dump, stream},
};

/// A place, and up to where safe mode is on.
pub type Begin = (Location, Option<Location>);

/// A location from texts; a relay suffix is dropped, and the GTID set counts only where GTIDs are followed.
pub fn location(config: &SubtaskConfig, name: &str, pos: u64, gtid: &str) -> Result<Location, DmError> {
    let (position, _) = BinlogPosition::new(name, pos).split_relay()?;
    let set =
        if config.enable_gtid && !gtid.trim().is_empty() { Some(GtidSet::parse(config.flavor, gtid)?) } else { None };
    Ok(Location::new(position, set))
}

/// Where a task begins that has no checkpoint.
pub async fn first(config: &SubtaskConfig, source: &SourceFacts) -> Result<Begin, DmError> {
    if matches!(config.mode, TaskMode::All | TaskMode::LoadSync) {
        let metadata = dump_metadata(config).await?;
        let at = &metadata.location;
        let exit = match &metadata.exit {
            Some(exit) => Some(location(config, &exit.binlog_name, exit.binlog_pos, &exit.gtid)?),
            None => None,
        };
        return Ok((given(config, source, &at.binlog_name, at.binlog_pos, &at.gtid).await?, exit));
    }
    match &config.meta {
        Some(meta) if !meta.binlog_name.is_empty() || !meta.binlog_gtid.is_empty() => {
            let (name, pos, gtid) = (&meta.binlog_name, u64::from(meta.binlog_pos), &meta.binlog_gtid);
            Ok((given(config, source, name, pos, gtid).await?, None))
        }
        _ => Ok((source.location.clone(), None)),
    }
}

/// A place that someone wrote down; where positions are followed and only a GTID set is known, its position is looked for.
async fn given(
    config: &SubtaskConfig,
    source: &SourceFacts,
    name: &str,
    pos: u64,
    gtid: &str,
) -> Result<Location, DmError> {
    if config.enable_gtid || !name.is_empty() || gtid.trim().is_empty() {
        return location(config, name, pos, gtid);
    }
    let set = GtidSet::parse(config.flavor, gtid)?;
    let position = locate::position_of(config, &set, &source.location.position).await?;
    tracing::info!(gtid_set = %set, %position, "the position of a GTID set was found");
    Ok(Location::new(position, None))
}

/// What the dump unit wrote down, or the streamed load; on a worker that doesn't have the dump's files, what the target remembers of them.
async fn dump_metadata(config: &SubtaskConfig) -> Result<dump::Metadata, DmError> {
    if config.streams() {
        return stream::location(config).await;
    }
    match dump::files::read_metadata(Path::new(&config.loader.dir)) {
        Ok(metadata) => Ok(metadata),
        Err(missing) => crate::units::load::loaded_location(config).await?.ok_or(missing),
    }
}

/// The `--start-time` that a start of the task asks for and that was not served yet. Each start has its own text (`time#n`), so
/// that resuming doesn't begin there again. A task that dumps and loads first has no other beginning than its dump's end; in
/// Sync it can be set to a time as an incremental one.
pub fn asked_time<'a>(config: &'a SubtaskConfig, state: &SourceState, has_checkpoint: bool) -> Option<&'a str> {
    let text = config.start_time.as_deref().filter(|text| !text.is_empty())?;
    let counts = has_checkpoint || config.mode == TaskMode::Incremental;
    (counts && state.start_time.as_deref() != Some(text)).then_some(text)
}

/// Where the binlog stands at a time; before the oldest binlog that is the oldest, as DM has it. Rows after it may be on the
/// target already. Of a task that had a checkpoint they are all before the place where the source stands now; else safe mode ends
/// `safe-mode-duration` after the time.
pub async fn at_time(
    config: &SubtaskConfig,
    source: &SourceFacts,
    text: &str,
    has_checkpoint: bool,
) -> Result<(Begin, Option<String>), DmError> {
    let text = text.split('#').next().unwrap_or_default();
    let time = locate::seconds(text).ok_or_else(|| locate::too_late(text))?;
    let end = &source.location.position;
    let mut note = None;
    let begin = match locate::by_time(config, time, end).await? {
        Found::At(location) => location,
        Found::Before(location) => {
            if location.position.sequence() != Some(1) {
                note = Some(format!(
                    "start-time {text} is before the source's oldest binlog, which begins at {location}: what was changed \
                     between the two is not migrated"
                ));
            }
            location
        }
        Found::After => return Err(locate::too_late(text)),
    };
    tracing::info!(start_time = text, location = %begin, "found where the binlog stands at the start time");
    if has_checkpoint {
        return Ok(((begin, Some(source.location.clone())), note));
    }
    let duration = config.syncer.safe_mode_duration.parse::<GoDuration>().unwrap_or(GoDuration::from_secs(60)).to_std();
    if duration.is_zero() {
        return Ok(((begin, None), note));
    }
    let until = time.saturating_add(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX));
    let exit = match locate::by_time(config, until, end).await? {
        Found::At(location) | Found::Before(location) => location,
        Found::After => source.location.clone(),
    };
    Ok(((begin, Some(exit)), note))
}

/// A stored place in the form that the task follows now: `enable-gtid` may have been switched on since.
pub async fn adjusted(config: &SubtaskConfig, mut location: Location) -> Result<Location, DmError> {
    if config.enable_gtid && location.gtid_set.is_none() && !location.position.name.is_empty() {
        let set = locate::set_at(config, &location.position).await?;
        tracing::info!(position = %location.position, gtid_set = %set, "the checkpoint's GTID set was found");
        location.gtid_set = Some(set);
    }
    Ok(location)
}

/// A position is of one server; GTIDs are of all.
pub fn check_server(source: &SourceFacts, state: &SourceState, at: &Location) -> Result<(), DmError> {
    match &state.server {
        Some(server) if at.gtid_set.is_none() && *server != source.server => Err(DmError::new(Code::SyncerGetEvent)
            .msg(format!(
                "the source is another server now: the checkpoint {} is of server {server}, this is server {}",
                at.position, source.server
            ))
            .workaround(
                "A position means something on its own server only. Please connect the source to that server again and let \
                 the task follow GTIDs (`enable-gtid: true`), which hold for every server of a group; or give the new \
                 server's position: stop the task and start it with `--remove-meta` and `meta`.",
            )),
        _ => Ok(()),
    }
}
