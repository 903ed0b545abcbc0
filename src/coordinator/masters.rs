//! What one master knows of the others.

use super::state::MasterRecord;

/// Who leads, as this master knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Leader {
    /// This one, and a majority confirmed it a moment ago.
    Me,
    /// Another; where it takes commands is `None` until it has said so.
    Other { name: String, client_addr: Option<String> },
    /// Nobody: an election, or no majority can be reached.
    Nobody,
}

/// A master for list-member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterView {
    pub record: MasterRecord,
    /// Its number among the voters.
    pub id: u64,
    /// It answered just now.
    pub alive: bool,
    pub leads: bool,
}
