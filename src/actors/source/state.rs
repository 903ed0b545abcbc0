//! Which subtask actors a source has, decided without a runtime.

use std::collections::BTreeMap;

use crate::{
    actors::member::messages::{Order, SubtaskSpec},
    coordinator::state::ExpectedStage,
    rules::operator::Operator,
};

/// What the actor has to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Start a subtask actor and tell it its stage.
    Start { spec: Box<SubtaskSpec> },
    /// Tell a living subtask its stage.
    Tell { task: String, expected: ExpectedStage, by_user: bool },
    /// Tell a living subtask what stands for events.
    Operators { task: String, operators: Vec<Operator> },
    /// End a subtask actor.
    Retire { task: String, kill: bool },
    /// Start a failed actor again later.
    RestartLater { task: String },
    /// All subtasks are gone: the actor ends.
    Gone,
}

/// When the confirmation of an order can be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confirm {
    /// Nothing to wait for.
    Now,
    /// The subtask says so.
    BySubtask,
    /// When its actor is gone.
    WhenGone,
}

#[derive(Clone, PartialEq, Debug)]
enum Slot {
    Alive(SubtaskSpec),
    /// Its actor failed; a new one comes.
    Failed(SubtaskSpec),
    /// Its actor ends; afterwards the new spec starts.
    Leaving {
        next: Option<SubtaskSpec>,
    },
}

/// A source's subtasks.
#[derive(Debug, Default)]
pub struct Subtasks {
    slots: BTreeMap<String, Slot>,
    retiring: bool,
}

impl Subtasks {
    /// Makes the subtasks what the assignment says. A subtask whose config changed is ended and started anew.
    pub fn follow(&mut self, specs: Vec<SubtaskSpec>, order: Option<&Order>) -> (Vec<Effect>, Confirm) {
        if self.retiring {
            return (Vec::new(), Confirm::Now);
        }
        let mut effects = Vec::new();
        let wanted: BTreeMap<String, SubtaskSpec> = specs.into_iter().map(|s| (s.config.name.clone(), s)).collect();
        self.slots.retain(|task, slot| wanted.contains_key(task) || !matches!(slot, Slot::Failed(_)));
        for (task, slot) in &mut self.slots {
            if !wanted.contains_key(task) {
                effects.extend(leave(task, slot, None, false));
            }
        }
        for (task, spec) in wanted {
            let by_user = order.is_some_and(|o| o.task() == task && o.resumes());
            effects.extend(self.want(task, spec, by_user));
        }
        (effects, order.map_or(Confirm::Now, |o| self.confirm(o)))
    }

    fn want(&mut self, task: String, spec: SubtaskSpec, by_user: bool) -> Vec<Effect> {
        match self.slots.get_mut(&task) {
            None => {
                self.slots.insert(task, Slot::Alive(spec.clone()));
                vec![start(spec)]
            }
            Some(Slot::Leaving { next }) => {
                *next = Some(spec);
                Vec::new()
            }
            Some(Slot::Failed(old)) => {
                *old = spec;
                Vec::new()
            }
            Some(Slot::Alive(old)) if old.config == spec.config => {
                let expected = spec.expected;
                let changed = old.expected != expected;
                let mut effects = Vec::new();
                if old.operators != spec.operators {
                    let operators = spec.operators.clone();
                    effects.push(Effect::Operators { task: task.clone(), operators });
                }
                *old = spec;
                if changed || by_user {
                    effects.push(Effect::Tell { task, expected, by_user });
                }
                effects
            }
            Some(slot) => leave(&task, slot, Some(spec), false).into_iter().collect(),
        }
    }

    fn confirm(&self, order: &Order) -> Confirm {
        match (order, self.slots.get(order.task())) {
            (Order::Delete { .. }, Some(Slot::Leaving { .. })) => Confirm::WhenGone,
            (Order::Operate { resume: false, .. }, _) => Confirm::Now,
            (_, Some(_)) if !matches!(order, Order::Delete { .. }) => Confirm::BySubtask,
            _ => Confirm::Now,
        }
    }

    /// Ends everything.
    pub fn retire(&mut self, kill: bool) -> Vec<Effect> {
        self.retiring = true;
        self.slots.retain(|_, slot| !matches!(slot, Slot::Failed(_)));
        if self.slots.is_empty() {
            return vec![Effect::Gone];
        }
        self.slots.iter_mut().flat_map(|(task, slot)| leave(task, slot, None, kill)).collect()
    }

    /// A subtask's actor ended; it failed when it was not told to.
    pub fn gone(&mut self, task: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        match self.slots.remove(task) {
            Some(Slot::Leaving { next: Some(spec) }) if !self.retiring => {
                self.slots.insert(task.to_owned(), Slot::Alive(spec.clone()));
                effects.push(start(spec));
            }
            Some(Slot::Alive(spec)) if !self.retiring => {
                self.slots.insert(task.to_owned(), Slot::Failed(spec));
                effects.push(Effect::RestartLater { task: task.to_owned() });
            }
            _ => {}
        }
        if self.retiring && self.slots.is_empty() {
            effects.push(Effect::Gone);
        }
        effects
    }

    /// The pause after a failure is over.
    pub fn restart(&mut self, task: &str) -> Vec<Effect> {
        match self.slots.get_mut(task) {
            Some(slot @ Slot::Failed(_)) => {
                let Slot::Failed(spec) = slot.clone() else { return Vec::new() };
                *slot = Slot::Alive(spec.clone());
                vec![start(spec)]
            }
            _ => Vec::new(),
        }
    }

    /// The tasks with a living actor.
    pub fn alive(&self) -> impl Iterator<Item = &str> {
        let alive = |(task, slot): (_, &Slot)| matches!(slot, Slot::Alive(_)).then_some(task);
        self.slots.iter().filter_map(alive).map(String::as_str)
    }
}

fn start(spec: SubtaskSpec) -> Effect {
    Effect::Start { spec: Box::new(spec) }
}

fn leave(task: &str, slot: &mut Slot, next: Option<SubtaskSpec>, kill: bool) -> Option<Effect> {
    let leaving = matches!(slot, Slot::Leaving { .. });
    *slot = Slot::Leaving { next };
    (!leaving || kill).then(|| Effect::Retire { task: task.to_owned(), kill })
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
