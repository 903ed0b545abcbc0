//! Which worker runs which source: pure decisions from the state and who is online (DM's order of choice,
//! without relay, which comes with its own issue). The scheduler actor proposes the changes and carries them out.
//!
//! DM binds one source to one worker. Here a worker takes as many as needed while there are fewer workers than sources,
//! evenly; a free worker always comes before a busy one, so that with enough workers everything is as in DM.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    change::{Decision, Rejection},
    state::ClusterState,
};

/// What the leader knows when it decides.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The committed state.
    pub state: &'a ClusterState,
    /// The workers whose session is alive, and how many sources each takes at most.
    pub online: &'a BTreeMap<String, usize>,
}

/// A source that goes to another worker although nothing is wrong with its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Move {
    pub source_id: String,
    pub from: String,
    pub to: String,
}

/// The workers that can take one source more.
struct Room<'a> {
    /// How many sources each has.
    loads: BTreeMap<&'a str, usize>,
    fewest: usize,
    /// The first with so few.
    idlest: &'a str,
}

impl<'a> Room<'a> {
    fn of(loads: BTreeMap<&'a str, usize>) -> Option<Room<'a>> {
        let (idlest, fewest) = loads.iter().min_by_key(|(_, load)| **load).map(|(worker, load)| (*worker, *load))?;
        Some(Room { loads, fewest, idlest })
    }
}

impl<'a> View<'a> {
    /// Online, known and without a source.
    pub fn free_workers(&self) -> BTreeSet<&'a str> {
        self.loads().into_iter().filter(|(_, load)| *load == 0).map(|(worker, _)| worker).collect()
    }

    /// How many sources each online, known worker has.
    fn loads(&self) -> BTreeMap<&'a str, usize> {
        let known = self.online.keys().filter(|w| self.state.workers.contains_key(*w));
        let mut loads: BTreeMap<&str, usize> = known.map(|w| (w.as_str(), 0)).collect();
        for binding in self.state.bindings.values() {
            if let Some(load) = loads.get_mut(binding.worker.as_str()) {
                *load += 1;
            }
        }
        loads
    }

    /// The online, known workers that can take one source more, with their loads.
    fn with_room(&self) -> BTreeMap<&'a str, usize> {
        let limit = |worker: &str| self.online.get(worker).copied().unwrap_or(0);
        self.loads().into_iter().filter(|(worker, load)| *load < limit(worker)).collect()
    }

    /// Known sources without a worker.
    pub fn unbound_sources(&self) -> Vec<&'a str> {
        let unbound = |s: &&String| !self.state.bindings.contains_key(*s);
        self.state.sources.keys().filter(unbound).map(String::as_str).collect()
    }

    /// The worker for a source that is new or lost its worker: 1 one that holds files of its unfinished load, 2 of
    /// those with the fewest sources (free ones, while there are any) the last bound one, 3 any of them.
    pub fn worker_for_source(&self, source_id: &str) -> Option<&'a str> {
        self.choose(source_id, &Room::of(self.with_room())?)
    }

    fn choose(&self, source_id: &str, room: &Room<'a>) -> Option<&'a str> {
        let mut holders = self.state.loads.get(source_id).into_iter().flat_map(BTreeMap::values);
        let last = || self.state.last_bound.get(source_id).and_then(|last| room.loads.get_key_value(&*last.worker));
        let holder = holders.find_map(|holder| room.loads.get_key_value(holder.as_str()));
        let chosen = holder.or_else(|| last().filter(|(_, load)| **load == room.fewest));
        chosen.map(|(worker, _)| *worker).or(Some(room.idlest))
    }

    /// A worker asked for by name (`operate-source create -w`, `transfer-source`): it must be known (46004), and free
    /// (46033) while any worker is.
    pub fn named_worker(&self, worker: &str) -> Result<&'a str, Rejection> {
        let (free, room) = (self.free_workers(), self.with_room());
        let unknown = || Rejection::UnknownWorker { worker: worker.to_owned() };
        let (name, _) = self.online.get_key_value(worker).ok_or_else(unknown)?;
        if !self.state.workers.contains_key(worker) {
            return Err(unknown());
        }
        if free.contains(worker) || (free.is_empty() && room.contains_key(worker)) {
            return Ok(name);
        }
        let source_id = self.state.sources_of(worker).next().unwrap_or_default().to_owned();
        Err(Rejection::WorkerTaken { worker: worker.to_owned(), source_id })
    }

    /// What becomes of a source whose worker (no longer in `online`) went away: it goes to another, or waits unbound.
    pub fn leave_worker(&self, source_id: &str) -> Decision {
        match self.worker_for_source(source_id) {
            Some(successor) => bind(source_id, successor),
            None => Decision::Unbind { source_id: source_id.to_owned() },
        }
    }

    /// The next source to bind while both a source and a worker wait, whichever of them came last: 1 a worker with
    /// the files of the source's unfinished load, 2 a source's last worker, 3 any of each. Asked again after each
    /// commit, it comes to an end.
    pub fn next_binding(&self) -> Option<Decision> {
        let unbound = self.unbound_sources();
        if unbound.is_empty() {
            return None;
        }
        let room = Room::of(self.with_room())?;
        let pairs = unbound.into_iter().filter_map(|s| Some((s, self.choose(s, &room)?)));
        let rank =
            |(source, worker): &(&str, &str)| match (self.holds_files(source, worker), self.was_last(source, worker)) {
                (true, _) => 0,
                (_, true) => 1,
                _ => 2,
            };
        pairs.min_by_key(rank).map(|(source, worker)| bind(source, worker))
    }

    /// The sources to move next, together: two that go back to their files, or one for the balance. None when it is empty.
    pub fn next_moves(&self) -> Vec<Move> {
        self.next_swap().map(Vec::from).or_else(|| Some(vec![self.next_balance()?])).unwrap_or_default()
    }

    /// Two sources, each of which has a worker without files of its unfinished load while the other's worker has them:
    /// they change places. One alone stays where it is: it was sent there, or its worker was lost, and a worker that is
    /// free again is no reason to stop it.
    fn next_swap(&self) -> Option<[Move; 2]> {
        let strays: Vec<(&str, &str)> = self.state.loads.keys().filter_map(|source| self.stray(source)).collect();
        for (at, (source, worker)) in strays.iter().enumerate() {
            let goes_home = |(other, there): &&(&str, &str)| {
                worker != there && self.holds_files(source, there) && self.holds_files(other, worker)
            };
            if let Some((other, there)) = strays[at + 1..].iter().find(goes_home) {
                return Some([go(source, worker, there), go(other, there, worker)]);
            }
        }
        None
    }

    /// The worker of a source of whose load others have files, when it has none and is online.
    fn stray<'s>(&self, source_id: &'s str) -> Option<(&'s str, &'a str)> {
        let worker = &*self.state.bindings.get(source_id)?.worker;
        let here = self.online.contains_key(worker) && self.state.workers.contains_key(worker);
        (here && !self.holds_files(source_id, worker)).then_some((source_id, worker))
    }

    /// A source to move so that the workers have about the same number: from the one with the most to the one with the
    /// fewest, as long as they differ by two. Never while a source waits for a worker.
    fn next_balance(&self) -> Option<Move> {
        if !self.unbound_sources().is_empty() {
            return None;
        }
        let (loads, room) = (self.loads(), self.with_room());
        let fewest = room.values().min().copied()?;
        let (from, most) = loads.iter().max_by_key(|(worker, load)| (**load, std::cmp::Reverse(**worker)))?;
        let (to, _) = room.iter().find(|(_, load)| **load == fewest)?;
        if *most < fewest + 2 {
            return None;
        }
        let movable = |source: &&str| !self.holds_files(source, from);
        let source_id = self.state.sources_of(from).filter(movable).last()?.to_owned();
        Some(go(&source_id, from, to))
    }

    fn was_last(&self, source_id: &str, worker: &str) -> bool {
        self.state.last_bound.get(source_id).is_some_and(|b| b.worker == worker)
    }

    fn holds_files(&self, source_id: &str, worker: &str) -> bool {
        self.state.loads.get(source_id).is_some_and(|loads| loads.values().any(|holder| holder == worker))
    }
}

fn go(source_id: &str, from: &str, to: &str) -> Move {
    Move { source_id: source_id.to_owned(), from: from.to_owned(), to: to.to_owned() }
}

fn bind(source_id: &str, worker: &str) -> Decision {
    Decision::Assign { source_id: source_id.to_owned(), worker: worker.to_owned() }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
