//! The ports of a node.

use tokio::net::TcpListener;

use crate::error::{Code, DmError, Result};

/// Listens on `address` (`host:port` or `:port`).
pub async fn listen(address: &str, code: Code) -> Result<TcpListener> {
    let shown = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    TcpListener::bind(&shown).await.map_err(|e| {
        DmError::new(code)
            .msg(format!("can't listen on {shown}"))
            .cause(e)
            .workaround("Please check that no other program uses this port and that the host is one of this machine.")
    })
}
