//! Passwords leave the program as `******`.

use super::yaml::Yaml;

/// What is printed instead of a password.
pub const MASK: &str = "******";

/// Replaces the password of a connection block, and its inline TLS key.
pub(super) fn connection(block: &mut Yaml) {
    if let Some(password) = block.get_mut("password") {
        *password = Yaml::Text(MASK.into());
    }
    if let Some(security) = block.get_mut("security")
        && let Some(key) = security.get_mut("ssl-key-base64")
        && *key != Yaml::Text(String::new())
    {
        *key = Yaml::Text(MASK.into());
    }
}
