//! Generates the `pb` module from `proto/` without needing `protoc` on the machine,
//! and keeps the descriptor set for the JSON printer (field order is part of the interface).
use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["dmmaster.proto", "dmworker.proto", "etcd.proto"], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // The format of profiles is no part of the interface.
    prost_build::Config::new().compile_fds(protox::compile(["profile.proto"], ["proto"])?)?;
    fs::write(out.join("pb.descriptor.bin"), files.encode_to_vec())?;
    // Type names let the JSON printer find a message's descriptor.
    let mut names = prost_build::Config::new();
    names.enable_type_names();
    tonic_prost_build::configure().compile_fds_with_config(files, names)?;
    Ok(())
}
