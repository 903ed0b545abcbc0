//! The ports of nodes and the connections to them: TLS on both sides, limits of what one port takes.
//!
//! Certificates are read from their files again for every new connection, so renewing them needs no restart.

pub mod bucket;
mod budget;
mod certificate;
pub mod dial;
pub mod places;
pub mod serve;
#[cfg(test)]
pub mod tests;
pub mod tls;
