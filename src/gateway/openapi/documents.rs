//! What the API keeps for its users: task templates and the topology. Texts of JSON in the replicated log.

use serde_json::Value;

use super::Fault;
use crate::gateway::master::Service;

/// What was PUT to `/cluster/info`.
pub const TOPOLOGY: &str = "topology";

const TEMPLATES: &str = "task-template/";

/// The key of a template.
pub fn template(name: &str) -> String {
    format!("{TEMPLATES}{name}")
}

/// A document.
pub fn get(service: &Service, key: &str) -> Option<Value> {
    serde_json::from_str(service.cluster.state().documents.get(key)?).ok()
}

/// Stores a document, or replaces it.
pub async fn put(service: &Service, key: &str, value: &Value) -> Result<(), Fault> {
    Ok(service.cluster.put_document(key, Some(value.to_string())).await?)
}

/// Forgets a document.
pub async fn remove(service: &Service, key: &str) -> Result<(), Fault> {
    Ok(service.cluster.put_document(key, None).await?)
}

/// All templates by name.
pub fn templates(service: &Service) -> Vec<Value> {
    let state = service.cluster.state();
    let all = state.documents.iter().filter(|(key, _)| key.starts_with(TEMPLATES));
    all.filter_map(|(_, text)| serde_json::from_str(text).ok()).collect()
}
