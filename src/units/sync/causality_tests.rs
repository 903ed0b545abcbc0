//! Random changes over few keys, lanes of random speed, against a store that refuses what a real one would.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::*;
use crate::mysql::value::Value;
use crate::{
    mysql::position::Location,
    schema::{
        column_type::{BaseType, ColumnType},
        model::{Column, Index, IndexColumn, TableId, TableInfo},
    },
    units::sync::{
        change::{Keys, Kind, Op},
        keys::Columns,
        location::Transaction,
        memory::Budget,
        relations::{Edge, ForeignKeys},
        source_row::SourceRow,
        table::TargetTable,
    },
};

const LANES: u16 = 4;

/// id, two columns with unique values that may be NULL, and a reference.
type Row = [Option<i64>; 4];

fn info(name: &str, nullable_key: bool) -> TableInfo {
    let column = |name: &str, nullable| Column {
        name: name.into(),
        ty: ColumnType::of(BaseType::BigInt),
        nullable,
        ..Column::default()
    };
    let index = |name: &str, columns: &[&str], primary| Index {
        name: name.into(),
        unique: true,
        primary,
        columns: columns.iter().map(|c| IndexColumn { column: (*c).into(), ..IndexColumn::default() }).collect(),
        ..Index::default()
    };
    TableInfo {
        schema: "d".into(),
        name: name.into(),
        columns: vec![column("id", nullable_key), column("u", true), column("v", true), column("p", true)],
        indexes: vec![index("PRIMARY", &["id"], true), index("u", &["u"], false), index("uv", &["u", "v"], false)],
        ..TableInfo::default()
    }
}

/// A target as strict as a real one. Tables: 0 parent, 1 child (p refers to the parent's id).
#[derive(Default, Clone, PartialEq, Debug)]
struct Store {
    tables: [BTreeMap<i64, Row>; 2],
    cascades: bool,
}

#[derive(Clone, Debug)]
struct Step {
    table: usize,
    before: Option<Row>,
    after: Option<Row>,
}

impl Store {
    /// Applies a change or says why it can't be.
    fn apply(&mut self, step: &Step) -> Result<(), String> {
        if let Some(old) = step.before {
            let id = old[0].unwrap();
            if self.tables[step.table].remove(&id) != Some(old) {
                return Err(format!("not there as it was: {step:?}"));
            }
        }
        if let Some(new) = step.after {
            for other in self.tables[step.table].values() {
                let same = |i: usize| new[i].is_some() && new[i] == other[i];
                if same(0) || same(1) || same(1) && same(2) {
                    return Err(format!("duplicate: {step:?} and {other:?}"));
                }
            }
            if step.table == 1 && new[3].is_some_and(|p| !self.tables[0].contains_key(&p)) {
                return Err(format!("no parent: {step:?}"));
            }
            self.tables[step.table].insert(new[0].unwrap(), new);
        }
        let gone = step.before.filter(|old| step.table == 0 && step.after.is_none_or(|new| new[0] != old[0]));
        if let Some(old) = gone {
            if self.cascades {
                self.tables[1].retain(|_, row| row[3] != old[0]);
            } else if self.tables[1].values().any(|row| row[3] == old[0]) {
                return Err(format!("children left: {step:?}"));
            }
        }
        Ok(())
    }

    /// A change that this store takes; it isn't applied.
    fn random(&self, random: &mut StdRng) -> Step {
        loop {
            let table = random.random_range(0..2);
            let row = |random: &mut StdRng| -> Row {
                let mut some = |odds, n| random.random_bool(odds).then(|| random.random_range(0..n));
                [some(1.0, 6), some(0.6, 4), some(0.5, 3), some(if table == 1 { 0.8 } else { 0.0 }, 6)]
            };
            let rows: Vec<Row> = self.tables[table].values().copied().collect();
            let before = rows.choose(random).copied();
            let (before, after) = match (random.random_range(0..4), before) {
                (0 | 1, _) | (_, None) => (None, Some(row(random))),
                (2, before) => {
                    let mut after = row(random);
                    if random.random_bool(0.7) {
                        after[0] = before.and_then(|b| b[0]);
                    }
                    (before, Some(after))
                }
                (_, before) => (before, None),
            };
            let step = Step { table, before, after };
            if self.clone().apply(&step).is_ok() {
                return step;
            }
        }
    }
}

struct Model {
    tables: Vec<Arc<TargetTable>>,
    transaction: Arc<Transaction>,
    held: Arc<crate::units::sync::memory::Held>,
}

impl Model {
    async fn new(relations: Option<ForeignKeys>, target: impl Fn(TableInfo) -> TableInfo) -> Model {
        let sources = [info("parent", false), info("child", false)];
        let targets: Vec<TableInfo> = sources.iter().cloned().map(target).collect();
        let tables = sources.iter().zip(&targets).map(|(source, target)| {
            let columns = Columns { source, target, extras: &[] };
            let relations = relations.as_ref().map(|keys| keys.relations(&columns, &target.id(), &targets));
            Arc::new(TargetTable::new(&columns, relations.unwrap_or_default(), true))
        });
        let transaction = Transaction { before: Location::default(), since: None, gtid: None, timestamp: 0 };
        Model { tables: tables.collect(), transaction: Arc::new(transaction), held: Budget::new(1 << 20).take(1).await }
    }

    fn change(&self, step: &Step) -> Change {
        let table = &self.tables[step.table];
        let values = |row: Row| row.map(|v| v.map_or(Value::Null, Value::Int));
        let (before, after) = (step.before.map(values), step.after.map(values));
        let before = before.as_ref().map(|values| SourceRow::Values(values, &[]));
        let after = after.as_ref().map(|values| SourceRow::Values(values, &[]));
        let rows: Vec<SourceRow<'_>> = before.into_iter().chain(after).collect();
        let (mut keys, mut buffer) = (Keys::new(), Vec::new());
        let lane = table.conflicts.place(&rows, LANES, &mut keys, &mut buffer).unwrap();
        Change {
            ordinal: 0,
            lane,
            transaction: self.transaction.clone(),
            index: 0,
            end_pos: 0,
            event_size: 0,
            table: table.clone(),
            kind: Kind::Insert,
            op: Op::One,
            columns: 0,
            text: bytes::Bytes::new(),
            key_len: 0,
            keys,
            relations: table.conflicts.relate(before.as_ref(), after.as_ref(), &mut buffer).unwrap(),
            unchecked: false,
            after: Vec::new(),
            held: Some(self.held.clone()),
        }
    }

    /// Runs random changes through lanes that work in any order that `after` allows. Gives how many changes had to wait.
    fn run(&self, seed: u64, cascades: bool) -> Result<usize, String> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut serial = Store { cascades, ..Store::default() };
        let mut target = serial.clone();
        let (ledger, mut causality) = (Ledger::new(usize::from(LANES)), Causality::default());
        let mut lanes: Vec<VecDeque<(Change, Step)>> = (0..LANES).map(|_| VecDeque::new()).collect();
        let (mut waited, mut sent) = (0, 0);
        while sent < 400 || lanes.iter().any(|lane| !lane.is_empty()) {
            if sent < 400 && random.random_bool(0.6) {
                let step = serial.random(&mut random);
                serial.apply(&step)?;
                let mut change = self.change(&step);
                sent += 1;
                change.ordinal = sent;
                causality.admit(&mut change, &ledger);
                ledger.sending(change.lane, sent);
                waited += usize::from(!change.after.is_empty());
                lanes[usize::from(change.lane)].push_back((change, step));
                continue;
            }
            let free = |change: &Change| change.after.iter().all(|(lane, ordinal)| ledger.durable(*lane, *ordinal));
            let ready: Vec<usize> =
                (0..lanes.len()).filter(|i| lanes[*i].front().is_some_and(|(change, _)| free(change))).collect();
            let Some(lane) = ready.choose(&mut random) else {
                if lanes.iter().all(VecDeque::is_empty) {
                    continue;
                }
                return Err("all lanes wait for each other".into());
            };
            if let Some((change, step)) = lanes[*lane].pop_front() {
                target.apply(&step)?;
                ledger.acknowledge(change.lane, change.ordinal);
            }
        }
        if target == serial { Ok(waited) } else { Err(format!("{target:?} instead of {serial:?}")) }
    }
}

fn edge(cascades: bool) -> ForeignKeys {
    ForeignKeys::of(vec![Edge {
        child: TableId::new("d", "child"),
        columns: vec!["p".into()],
        parent: TableId::new("d", "parent"),
        parent_columns: vec!["id".into()],
        cascades,
    }])
}

fn seeds() -> u64 {
    std::env::var("DM_CAUSALITY_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

#[tokio::test]
async fn no_order_of_lanes_breaks_a_key() {
    for cascades in [false, true] {
        let model = Model::new(Some(edge(cascades)), |info| info).await;
        let mut waited = 0;
        for seed in 0..seeds() {
            waited += model.run(seed, cascades).unwrap_or_else(|why| panic!("seed {seed}, cascades {cascades}: {why}"));
        }
        assert!(waited > 1000, "hardly a change had to wait: the test shows nothing");
    }
}

/// The model notices what is missing: without the foreign key, or without a unique key, some order goes wrong.
#[tokio::test]
async fn what_is_left_out_breaks() {
    let without_reference = Model::new(None, |info| info).await;
    let broken = (0..20).filter(|seed| without_reference.run(*seed, false).is_err()).count();
    assert!(broken > 10, "{broken} of 20");
}

#[tokio::test]
async fn a_key_that_cannot_be_told_keeps_the_order() {
    let functional = |mut info: TableInfo| {
        info.indexes[1].functional = true;
        info.indexes[1].columns = vec![IndexColumn { expression: Some("u + 1".into()), ..IndexColumn::default() }];
        info
    };
    let model = Model::new(Some(edge(false)), functional).await;
    assert!(model.tables[0].conflicts.ordered().unwrap().contains('u'));
    for seed in 0..10 {
        model.run(seed, false).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[test]
fn users_of_a_foreign_key_run_side_by_side() {
    let (ledger, mut causality) = (Ledger::new(3), Causality::default());
    let mut after: Vec<Vec<(Lane, u64)>> = Vec::new();
    for (i, (lane, alters)) in
        [(0, true), (1, false), (2, false), (0, false), (1, true), (2, false)].into_iter().enumerate()
    {
        let ordinal = i as u64 + 1;
        let hash: Keys = [7].into_iter().collect();
        let relations = if alters {
            Relations { alters: hash, ..Relations::default() }
        } else {
            Relations { uses: hash, ..Relations::default() }
        };
        ledger.sending(lane, ordinal);
        let mut waits = Vec::new();
        causality.relate(&relations, (lane, ordinal), &mut waits, &ledger);
        after.push(waits);
    }
    assert_eq!(after, [vec![], vec![(0, 1)], vec![(0, 1)], vec![], vec![(0, 4), (2, 3)], vec![(1, 5)]]);
}
