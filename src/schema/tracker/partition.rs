//! Partitions through DDL: the names that the server chooses, the bounds that it computes. The source has executed the
//! statement, so a partition that isn't known here is passed over.

use super::super::{
    ddl::{AlterSpec, PartitionBy, PartitionChange},
    model::{TableInfo, same_name, words},
    partition::{Partition, PartitionMethod, PartitionValues, Partitioning, Subpartitioning},
};
use crate::{
    rules::expression::{Expression, Zone},
    schema::server::ServerInfo,
};

/// Where bounds are computed: the server and, when it is told, the session's time zone.
#[derive(Clone, Copy)]
pub(in crate::schema) struct Place {
    pub(in crate::schema) server: ServerInfo,
    pub(in crate::schema) zone: Option<Zone>,
}

/// The servers' own limit, subpartitions counted.
const MOST: u32 = 8192;

/// What `PARTITION BY` of a new table makes.
pub(in crate::schema) fn build_all(
    by: Option<&PartitionBy>,
    place: Place,
) -> Result<Option<Box<Partitioning>>, String> {
    by.map(|by| build(by, place).map(Box::new)).transpose()
}

fn build(by: &PartitionBy, place: Place) -> Result<Partitioning, String> {
    let versions = by.by.method == PartitionMethod::SystemTime;
    let count = by.count.unwrap_or(if versions { 2 } else { 1 });
    let each = by.sub.as_ref().map_or(1, |sub| sub.count);
    if count.max(by.definitions.len() as u32).saturating_mul(each) > MOST {
        return Err("more partitions than any server has".to_owned());
    }
    let mut list = match by.definitions.is_empty() {
        false => defined(&by.definitions, by.sub.as_ref(), place),
        true => numbered(0..count, by.sub.as_ref()),
    };
    if versions && by.definitions.is_empty() {
        for partition in &mut list {
            partition.values = PartitionValues::History;
        }
        if let Some(last) = list.last_mut() {
            *last = Partition { name: "pn".to_owned(), values: PartitionValues::Current, ..Partition::default() };
            last.subpartitions = by.sub.as_ref().map_or_else(Vec::new, |sub| last.default_subpartitions(sub.count));
        }
    }
    Ok(Partitioning { by: by.by.clone(), sub: by.sub.clone(), list })
}

/// Partitions as a statement defines them, completed as the server does.
fn defined(definitions: &[Partition], sub: Option<&Subpartitioning>, place: Place) -> Vec<Partition> {
    let complete = |partition: &Partition| {
        let mut partition = partition.clone();
        if let Some(sub) = sub.filter(|_| partition.subpartitions.is_empty()) {
            partition.subpartitions = partition.default_subpartitions(sub.count);
        }
        let known = |values: &mut Vec<String>| values.iter_mut().for_each(|value| *value = bound(value, place));
        match &mut partition.values {
            PartitionValues::LessThan(values) => known(values),
            PartitionValues::In(list) => list.iter_mut().for_each(known),
            _ => {}
        }
        partition
    };
    definitions.iter().map(complete).collect()
}

/// Partitions that get their names from their places.
fn numbered(places: std::ops::Range<u32>, sub: Option<&Subpartitioning>) -> Vec<Partition> {
    let made = |at: u32| {
        let mut partition = Partition { name: format!("p{at}"), ..Partition::default() };
        partition.subpartitions = sub.map_or_else(Vec::new, |sub| partition.default_subpartitions(sub.count));
        partition
    };
    places.map(made).collect()
}

/// A value in the form in which the server keeps it: what isn't written as a literal is computed, if it is a whole
/// number then. What can't be computed here stays as written.
fn bound(text: &str, place: Place) -> String {
    for word in ["MAXVALUE", "NULL", "DEFAULT"] {
        if text.eq_ignore_ascii_case(word) {
            return word.to_owned();
        }
    }
    if text.starts_with('\'') {
        return text.to_owned();
    }
    if let Ok(number) = text.parse::<i128>() {
        return number.to_string();
    }
    let local = words(text)
        .iter()
        .any(|word| word.to_ascii_lowercase().contains("unixtime") || same_name(word, "unix_timestamp"));
    let zone = match place.zone {
        Some(zone) => zone,
        None if local => return text.to_owned(),
        None => Zone::UTC,
    };
    let value = Expression::new(text, &TableInfo::default(), zone, place.server)
        .and_then(|expression| expression.value(&[], 0));
    let number = value.ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<i128>().ok());
    number.map_or_else(|| text.to_owned(), |number| number.to_string())
}

/// The clauses of ALTER TABLE about partitions.
pub(super) fn alter(table: &mut TableInfo, specs: &[AlterSpec], place: Place) -> Result<(), String> {
    for spec in specs {
        match spec {
            AlterSpec::Partition(PartitionChange::By(by)) => table.partition = Some(Box::new(build(by, place)?)),
            AlterSpec::Partition(PartitionChange::Remove) => table.partition = None,
            AlterSpec::Partition(change) => {
                if let Some(partitions) = table.partition.as_deref_mut() {
                    change_list(partitions, change, place)?;
                }
            }
            AlterSpec::ConvertPartition { partition, .. } => {
                if let Some(partitions) = table.partition.as_deref_mut() {
                    partitions.list.retain(|one| !same_name(&one.name, partition));
                }
            }
            AlterSpec::ConvertTable { partition, .. } => {
                if let Some(partitions) = table.partition.as_deref_mut() {
                    add(partitions, std::slice::from_ref(partition), place);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn change_list(partitions: &mut Partitioning, change: &PartitionChange, place: Place) -> Result<(), String> {
    match change {
        PartitionChange::Add { definitions, if_not_exists, .. } if !definitions.is_empty() => {
            let known = definitions.iter().any(|one| partitions.offset(&one.name).is_some());
            if !(known && *if_not_exists) {
                add(partitions, definitions, place);
            }
        }
        PartitionChange::Add { count, .. } => add_numbered(partitions, *count)?,
        PartitionChange::Drop { names, .. } => {
            partitions.list.retain(|one| !names.iter().any(|name| same_name(name, &one.name)));
        }
        PartitionChange::Coalesce(count) => {
            let left = partitions.list.len().saturating_sub(*count as usize).max(1);
            partitions.list.truncate(left);
        }
        // Numbered partitions go back to the engine's number of them, which is one (measured on every release).
        PartitionChange::Reorganize { names, .. } if names.is_empty() => partitions.list.truncate(1),
        PartitionChange::Reorganize { names, into } => {
            let first = partitions.list.iter().position(|one| names.iter().any(|name| same_name(name, &one.name)));
            partitions.list.retain(|one| !names.iter().any(|name| same_name(name, &one.name)));
            let at = first.unwrap_or(partitions.list.len()).min(partitions.list.len());
            let new = defined(into, partitions.sub.as_ref(), place);
            partitions.list.splice(at..at, new);
        }
        _ => {}
    }
    Ok(())
}

/// New partitions stand last, but before MariaDB's partition of current rows.
fn add(partitions: &mut Partitioning, definitions: &[Partition], place: Place) {
    let new = defined(definitions, partitions.sub.as_ref(), place);
    let at = place_of_new(partitions);
    partitions.list.splice(at..at, new);
}

fn add_numbered(partitions: &mut Partitioning, count: u32) -> Result<(), String> {
    let at = place_of_new(partitions);
    let first = at as u32;
    if count.saturating_add(first) > MOST {
        return Err("more partitions than any server has".to_owned());
    }
    let mut new = numbered(first..first + count, partitions.sub.as_ref());
    if partitions.by.method == PartitionMethod::SystemTime {
        new.iter_mut().for_each(|partition| partition.values = PartitionValues::History);
    }
    partitions.list.splice(at..at, new);
    Ok(())
}

fn place_of_new(partitions: &Partitioning) -> usize {
    let current = partitions.list.iter().position(|one| one.values == PartitionValues::Current);
    current.unwrap_or(partitions.list.len())
}
