//! What a statement's session says, as far as the binlog tells it with the statement.

use super::{
    super::{charset::CollationDefaults, logged::pair_by_number},
    Tracker,
};
use crate::{mysql::binlog::event::StatusVars, rules::expression::Zone};

/// MariaDB's bit in `flags2` (seen on 10.5 and 10.11).
const EXPLICIT_TIMESTAMPS: u32 = 1 << 24;

impl Tracker {
    /// Takes over what decides how the next statement is meant: explicit_defaults_for_timestamp, the server's character
    /// set (for new databases) and default collations. What the event doesn't say stays, but for default collations,
    /// which are always the statement's own.
    pub fn enter_session(&mut self, status: &StatusVars) {
        // MariaDB writes it as one of the session's options.
        let option = status.flags2.filter(|_| self.server.is_mariadb() && self.server.version >= 100_500);
        let option = option.map(|flags| flags & EXPLICIT_TIMESTAMPS != 0);
        if let Some(on) = status.explicit_defaults_for_timestamp.or(option) {
            self.explicit_timestamps = on;
        }
        let pair = |number: u16| pair_by_number(number, &self.server);
        if let Some(charset) = status.collation_server.and_then(pair) {
            self.server_charset = charset;
        }
        let database = status.charset_database.and_then(pair);
        let mut defaults = CollationDefaults::of(self.server);
        if let Some(list) = &status.charset_collations {
            defaults.complete = true;
            defaults.session.extend(list.iter().filter_map(|(_, number)| pair(*number)));
        }
        defaults.session.extend(status.default_collation_utf8mb4.and_then(pair));
        self.defaults = defaults;
        self.database = database;
        self.zone = status.time_zone.as_deref().and_then(Zone::parse);
    }
}
