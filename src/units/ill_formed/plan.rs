//! What is sent instead of a statement with bytes that are no text: markers in their places, and where those stand.

use std::ops::Range;

use mysql_async::Error;

use super::{
    events,
    keeper::{Keeper, impossible},
    statement::{self, Kind, Suspect, by_bytes, charset, hex},
};
use crate::{
    mysql::ident::quote_text,
    schema::{BaseType, TableInfo, model::quote_name},
};

type Result<T> = std::result::Result<T, Error>;

/// A value that is to be changed from its marker to the bytes.
pub(super) struct Cell {
    pub column: usize,
    pub bytes: Vec<u8>,
    pub marker: String,
}

/// The cells of a row.
pub(super) struct Target {
    pub cells: Vec<Cell>,
    /// What finds the row beside a marker, where the statement tells.
    pub key: Option<String>,
}

/// A statement as it is sent, and what goes behind.
#[derive(Default)]
pub(super) struct Plan {
    pub before: Vec<String>,
    pub sql: Vec<u8>,
    pub rows: Vec<Target>,
    pub ignores: bool,
    pub updates: bool,
}

impl Keeper {
    /// What is sent instead of a statement.
    pub(super) async fn plan(&mut self, sql: &[u8], suspects: &[Suspect]) -> Result<Plan> {
        let charset = charset(suspects);
        let read = statement::read(sql).ok_or_else(|| unknown(charset))?;
        let info = self.table(&read.table, charset).await?;
        match read.kind {
            Kind::Delete => {
                let sql = by_bytes(sql, 0..sql.len(), suspects).ok_or_else(|| unknown(charset))?;
                Ok(Plan { sql, ..Plan::default() })
            }
            Kind::Update { assigned, condition } => self.plan_update(&info, sql, suspects, &assigned, condition),
            Kind::Insert { columns, flat, replaces, ignores } => {
                let offsets: Option<Vec<usize>> = match columns.is_empty() {
                    true => Some((0..info.columns.len()).collect()),
                    false => columns.iter().map(|name| info.column_offset(name)).collect(),
                };
                let offsets = offsets.ok_or_else(|| unknown(charset))?;
                let mut plan = Plan { ignores, ..Plan::default() };
                let mut from = 0;
                for row in flat.chunks(offsets.len().max(1)) {
                    let literal = |column: usize| {
                        let place = row.get(offsets.iter().position(|at| *at == column)?)?;
                        let suspect = suspects.iter().find(|s| s.place == *place);
                        Some((std::str::from_utf8(sql.get(place.clone())?).ok()?, suspect))
                    };
                    let places = row.iter().cloned().zip(offsets.iter().copied());
                    let cells = self.mark(&info, sql, suspects, places, &mut from, &mut plan.sql)?;
                    if cells.is_empty() {
                        continue;
                    }
                    if replaces {
                        plan.before.extend(replaced(&info, &cells, literal));
                    }
                    plan.rows.push(Target { key: key_condition(&info, literal), cells });
                }
                plan.sql.extend_from_slice(sql.get(from..).unwrap_or_default());
                Ok(plan)
            }
        }
    }

    /// TiDB's collations other than the binary ones take texts for equal that differ in such bytes: a REPLACE would remove
    /// rows of others.
    pub(super) async fn look_at_keys(&mut self, sql: &[u8], suspects: &[Suspect]) -> Result<()> {
        let charset = charset(suspects);
        let read = statement::read(sql).ok_or_else(|| unknown(charset))?;
        let info = self.table(&read.table, charset).await?;
        let columns: Vec<usize> = match &read.kind {
            Kind::Delete => Vec::new(),
            Kind::Update { assigned, .. } => {
                let holds = |place: &Range<usize>| suspects.iter().any(|s| s.place == *place);
                assigned.iter().filter(|(_, p)| holds(p)).filter_map(|(name, _)| info.column_offset(name)).collect()
            }
            Kind::Insert { columns, flat, .. } => {
                let width = if columns.is_empty() { info.columns.len() } else { columns.len() };
                let place = |suspect: &Suspect| flat.iter().position(|place| *place == suspect.place);
                let nth = suspects.iter().filter_map(place).map(|at| at % width.max(1));
                nth.filter_map(|nth| columns.get(nth).map_or(Some(nth), |name| info.column_offset(name))).collect()
            }
        };
        let binary = |at: &usize| {
            info.columns.get(*at).and_then(|c| c.collation.as_deref()).is_some_and(|c| c.ends_with("_bin"))
        };
        let unique = |at: &usize| info.unique_keys().iter().any(|key| key.columns.contains(at));
        match columns.iter().any(|at| unique(at) && !binary(at)) {
            true => Err(impossible(
                charset,
                "in a unique key TiDB takes such texts for equal unless the collation is a binary one",
            )),
            false => Ok(()),
        }
    }

    fn plan_update(
        &mut self,
        info: &TableInfo,
        sql: &[u8],
        suspects: &[Suspect],
        assigned: &[(String, Range<usize>)],
        condition: Range<usize>,
    ) -> Result<Plan> {
        let charset = charset(suspects);
        let mut plan = Plan { updates: true, ..Plan::default() };
        let places = assigned.iter().filter_map(|(name, place)| Some((place.clone(), info.column_offset(name)?)));
        let mut from = 0;
        let cells = self.mark(info, sql, suspects, places, &mut from, &mut plan.sql)?;
        let rest = by_bytes(sql, from..sql.len(), suspects).ok_or_else(|| unknown(charset))?;
        plan.sql.extend_from_slice(&rest);
        let key = info.row_key().unwrap_or_default();
        let moves = |name: &String| info.column_offset(name).is_some_and(|at| key.contains(&at));
        let stays = !key.is_empty() && !assigned.iter().any(|(name, _)| moves(name));
        let condition = by_bytes(sql, condition, suspects).and_then(|sql| String::from_utf8(sql).ok());
        let key = condition.ok_or_else(|| unknown(charset))?;
        plan.rows.push(Target { cells, key: stays.then_some(key) });
        Ok(plan)
    }

    /// Copies a statement up to the last of some places, with markers for the bytes that they hold.
    fn mark(
        &mut self,
        info: &TableInfo,
        sql: &[u8],
        suspects: &[Suspect],
        places: impl Iterator<Item = (Range<usize>, usize)>,
        from: &mut usize,
        out: &mut Vec<u8>,
    ) -> Result<Vec<Cell>> {
        let mut cells = Vec::new();
        for (place, column) in places {
            let Some(suspect) = suspects.iter().find(|s| s.place == place) else { continue };
            let Some(cell) = self.cell(info, column, suspect)? else { continue };
            out.extend_from_slice(sql.get(*from..place.start).unwrap_or_default());
            out.extend_from_slice(quote_text(&cell.marker).as_bytes());
            *from = place.end;
            cells.push(cell);
        }
        Ok(cells)
    }

    /// The cell of a literal in a column; None: the literal may stay. An error when the column can't hold the bytes.
    fn cell(&mut self, info: &TableInfo, column: usize, suspect: &Suspect) -> Result<Option<Cell>> {
        let why = |reason: &str| impossible(&suspect.charset, reason);
        let Some(found) = info.columns.get(column) else { return Ok(None) };
        let (base, charset) = (found.ty.base, found.charset.as_deref().unwrap_or_default());
        let text = base.is_text() || matches!(base, BaseType::Char | BaseType::VarChar);
        if !text || !same_charset(charset, &suspect.charset) {
            // The server converts, or refuses.
            return Ok(None);
        }
        let longest = match base {
            BaseType::TinyText => 255,
            BaseType::Text => 65_535,
            _ if base.is_text() => usize::MAX,
            _ => events::longest(&found.ty, Some(charset)) as usize,
        };
        if suspect.bytes.len() > longest {
            return Err(why("they are more than the column holds"));
        }
        let mysql = !self.session.server.is_mariadb();
        if mysql
            && base == BaseType::VarChar
            && self.session.server.version < 80_000
            && info.columns.iter().any(|c| c.generated.is_some())
        {
            return Err(why("MySQL before 8.0 does not compute generated columns when BINLOG changes a row"));
        }
        let limit = if base.is_text() { 24 } else { found.ty.length.unwrap_or(1) as usize };
        self.markers += 1;
        let mut marker = format!("{:x}{:08x}{:x}", self.markers & 0xf, rand::random::<u32>(), self.markers);
        marker.truncate(limit.min(24));
        Ok(Some(Cell { column, bytes: suspect.bytes.clone(), marker }))
    }
}

fn unknown(charset: &str) -> Error {
    impossible(charset, "the form of the statement is not known")
}

/// Whether text of one is, byte by byte, text of the other.
fn same_charset(column: &str, literal: &str) -> bool {
    let plain = |name: &str| if matches!(name, "utf8" | "utf8mb3") { "utf8mb4".to_owned() } else { name.to_owned() };
    plain(column) == plain(literal)
}

/// The condition by which a row's values find it: those of a key that has none of the bytes.
fn key_condition<'a>(
    info: &TableInfo,
    literal: impl Fn(usize) -> Option<(&'a str, Option<&'a Suspect>)>,
) -> Option<String> {
    let keys = info.unique_keys();
    keys.iter().filter(|key| key.identifies_rows()).find_map(|key| {
        let parts: Option<Vec<String>> = (key.columns.iter())
            .map(|at| {
                let (value, suspect) = literal(*at)?;
                let automatic = info.columns.get(*at)?.auto_increment && matches!(value, "0" | "NULL" | "DEFAULT");
                let usable = suspect.is_none() && !automatic;
                usable.then(|| Some(format!("{} = {value}", quote_name(&info.columns.get(*at)?.name))))?
            })
            .collect();
        Some(parts?.join(" AND "))
    })
}

/// What removes the rows that a REPLACE with markers doesn't meet: of unique keys that hold such bytes.
fn replaced<'a>(
    info: &TableInfo,
    cells: &[Cell],
    literal: impl Fn(usize) -> Option<(&'a str, Option<&'a Suspect>)>,
) -> Vec<String> {
    let keys = info.unique_keys();
    let of_cells = keys.iter().filter(|key| key.columns.iter().any(|at| cells.iter().any(|cell| cell.column == *at)));
    of_cells
        .filter_map(|key| {
            let parts: Option<Vec<String>> = (key.columns.iter())
                .map(|at| {
                    let name = quote_name(&info.columns.get(*at)?.name);
                    Some(match literal(*at)? {
                        (_, Some(suspect)) => format!("CAST({name} AS BINARY) = {}", hex(&suspect.bytes)),
                        (value, None) => format!("{name} = {value}"),
                    })
                })
                .collect();
            Some(format!("DELETE FROM {} WHERE {}", info.id(), parts?.join(" AND ")))
        })
        .collect()
}
