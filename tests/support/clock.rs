//! A wall clock of its own for a process, which a test can move: by a small library that is loaded before the program.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// One process' wall clock.
pub struct WallClock(PathBuf);

impl WallClock {
    /// A clock that is right, kept in `folder`.
    pub fn new(folder: &Path, name: &str) -> WallClock {
        let clock = WallClock(folder.join(format!("{name}.clock")));
        clock.shift(0);
        clock
    }

    /// From now on it is off by so many seconds.
    pub fn shift(&self, seconds: i64) {
        // As one write: the process reads it all the time.
        let next = self.0.with_extension("next");
        std::fs::write(&next, seconds.to_string()).unwrap();
        std::fs::rename(&next, &self.0).unwrap();
    }

    /// What is put before a command so that it goes by this clock.
    pub fn worn(&self) -> Vec<String> {
        let shim = format!("LD_PRELOAD={}", library().display());
        vec!["env".into(), shim, format!("DM_TEST_CLOCK={}", self.0.display())]
    }
}

/// The library, compiled once a process.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("/tmp"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/clock_shim.rs");
        let (made, place) = (folder.join(format!("shim-{}.so", std::process::id())), folder.join("wall-clock-shim.so"));
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
        let built = Command::new(rustc)
            .args(["--edition", "2024", "--crate-type", "cdylib", "-O", "-o"])
            .args([&made, &source])
            .status()
            .unwrap();
        assert!(built.success(), "the clock's library does not compile");
        std::fs::rename(&made, &place).unwrap();
        place
    })
}

#[test]
fn a_process_goes_by_its_own_wall_clock() {
    let folder = tempfile::tempdir().unwrap();
    let clock = WallClock::new(folder.path(), "one");
    let now = || {
        let worn = clock.worn();
        let out = Command::new(&worn[0]).args(&worn[1..]).args(["date", "+%s"]).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().parse::<i64>().unwrap()
    };
    let here = || i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    assert!((now() - here()).abs() < 60);
    clock.shift(-7200);
    assert!((now() - here() + 7200).abs() < 60);
    clock.shift(3600);
    assert!((now() - here() - 3600).abs() < 60);
}
