//! One file per dmctl command: its arguments, its request, what it does on the leader, its reply.

pub mod cluster;
