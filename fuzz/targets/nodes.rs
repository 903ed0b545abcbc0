//! Files of nodes, of dmctl and of sources: any text is read or refused with a code and a text, and what was read is shown.
#![no_main]

use dm::config::{
    SourceConfig,
    node::{DmctlConfig, MasterConfig, WorkerConfig},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let refused = match kind % 4 {
        0 => MasterConfig::from_toml("dm-master.toml", text).map(|config| drop(config.to_toml())).err(),
        1 => WorkerConfig::from_toml("dm-worker.toml", text).map(|config| drop(config.to_toml())).err(),
        2 => DmctlConfig::from_toml("dmctl.toml", text).map(drop).err(),
        _ => match SourceConfig::from_yaml(text) {
            Ok(source) => {
                let written = source.to_yaml();
                let back = SourceConfig::from_yaml(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
                assert_eq!(back.to_yaml(), written);
                None
            }
            Err(error) => Some(error),
        },
    };
    assert!(refused.is_none_or(|error| !error.to_string().is_empty()));
});
