//! Secrets of a task in answers: `******`. A client that reads an object, changes it and writes it back sends the mask
//! back, which stands for what is stored.

use serde_json::Value;

use super::{Fault, common};
use crate::config::MASK;

/// Where a task has secrets.
const PLACES: [&str; 2] = ["/target_config/password", "/target_config/security/ssl_key_content"];

/// A task as an answer shows it.
pub fn hidden(mut task: Value) -> Value {
    for place in PLACES {
        if let Some(secret) = task.pointer_mut(place).filter(|secret| secret.as_str().is_some_and(|s| !s.is_empty())) {
            *secret = MASK.into();
        }
    }
    task
}

/// A task as a client means it: each mask is what `stored` has at its place. A secret goes to the target that it was
/// written for and to no other; what stands for nothing is refused.
pub fn filled(mut task: Value, stored: Option<&Value>) -> Result<Value, Fault> {
    let address = |task: &Value| (task["target_config"]["host"].clone(), task["target_config"]["port"].clone());
    let stored = stored.filter(|stored| address(stored) == address(&task));
    for place in PLACES {
        let Some(secret) = task.pointer_mut(place).filter(|secret| *secret == MASK) else { continue };
        let known = stored.and_then(|stored| stored.pointer(place));
        *secret = known.cloned().ok_or_else(|| {
            common(format!(
                "{place} is {MASK}, which stands for a stored one, and none is stored for this target; please write it"
            ))
        })?;
    }
    Ok(task)
}
