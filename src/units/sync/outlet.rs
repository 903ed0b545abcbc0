//! The way out of the source stage: what came at once is one message, and counts against the memory budget until the next
//! stage is done with it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    dispatch::gone,
    memory::{Budget, Held},
    transaction::Item,
};
use crate::error::DmError;

/// What came at once, in the stream's order.
pub struct Items {
    pub items: Vec<Item>,
    /// Their part of the memory budget.
    pub held: Arc<Held>,
}

/// Where items go.
pub struct Outlet {
    pub items: mpsc::Sender<Items>,
    pub budget: Budget,
}

impl Outlet {
    /// Hands on items that take so many bytes.
    pub async fn send(&self, items: Vec<Item>, bytes: usize) -> Result<(), DmError> {
        let held = self.budget.take(bytes).await;
        self.items.send(Items { items, held }).await.map_err(|_| gone())
    }
}
