//! Task files: any YAML is read or refused with a code, and what was read is written so that it reads back the same.
#![no_main]

use dm::config::TaskConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match TaskConfig::from_yaml(text) {
        Ok(task) => {
            let _ = task.warnings();
            let written = task.to_yaml();
            let back = TaskConfig::from_yaml(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
            assert_eq!(back.to_yaml(), written);
        }
        Err(error) => assert!(!error.message().is_empty()),
    }
});
