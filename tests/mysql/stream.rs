//! The replication connection on real servers.
