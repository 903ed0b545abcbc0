//! `stop-task`.

use super::operate_task::{self, BATCH_SIZE};
use crate::{
    dmctl::{
        cobra::{Matches, Spec},
        session::{Outcome, Session},
    },
    pb,
};

/// The command line.
pub const SPEC: Spec =
    Spec::new("stop-task [-s source ...] [task-name | task-file]", "Stops a task or all tasks of a source")
        .flags(&[BATCH_SIZE]);

/// The dmctl side; the leader's is [`operate_task::apply`].
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    operate_task::run(session, matches, pb::TaskOp::Delete).await
}
