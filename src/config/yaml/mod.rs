//! Strict YAML for the files that users write: every key is known or an error, every error has its line and key,
//! and all errors of a file are reported at once. Output has the style of the original's encoder, because scripts
//! compare what `get-config` prints.
//!
//! [`node`] turns text into a tree with line numbers, [`decode`] turns the tree into structs, [`emit`] prints.

mod decode;
mod emit;
mod locate;
mod node;
mod scalar;

pub use decode::{Decoder, Via, YamlValue, from_yaml};
pub use emit::Yaml;
pub use locate::locate;
pub use node::{Kind, Node};

pub(crate) use decode::yaml_struct;
