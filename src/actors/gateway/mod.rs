//! The gateway actor: a shell around the task that serves gRPC and HTTP. The task is given from outside, so that this
//! folder knows nothing of the wire.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::error::Result;

/// Starts the serving task; it must end soon after the token is cancelled. Called again after a failure.
pub type Serve = Arc<dyn Fn(CancellationToken) -> BoxFuture<'static, Result<()>> + Send + Sync>;
