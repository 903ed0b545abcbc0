//! mydumper and myloader, as Debian packages them.

use std::{
    fs,
    io::Read,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    Measured, SCHEMA,
    support::{
        process::{cpu_seconds, peak_memory},
        servers::{PASSWORD, Server, USER},
    },
};

struct Ran {
    seconds: f64,
    cpu: f64,
    peak_mib: f64,
}

/// Dump, load, and both; None, with a word, where the programs are absent.
pub async fn measure(source: &Server, target: &Server) -> Option<Vec<Measured>> {
    if !["mydumper", "myloader"].iter().all(|program| exists(program)) {
        eprintln!("mydumper and myloader are not installed (Debian package mydumper): not measured");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("dump").display().to_string();
    let before = (cpu_seconds(source.pid()), cpu_seconds(target.pid()));
    let login = |server: &Server| format!("-h 127.0.0.1 -P {} -u {USER} -p {PASSWORD} -t 4", server.port);
    let dump = run(&format!("mydumper {} -B {SCHEMA} -o {dir}", login(source)));
    let middle = cpu_seconds(source.pid()) - before.0;
    let load = run(&format!("myloader {} -d {dir}", login(target)));
    let loaded = cpu_seconds(target.pid()) - before.1;
    let one =
        |way, ran: &Ran, servers| Measured { way, seconds: ran.seconds, cpu: ran.cpu, peak_mib: ran.peak_mib, servers };
    let both = Ran {
        seconds: dump.seconds + load.seconds,
        cpu: dump.cpu + load.cpu,
        peak_mib: dump.peak_mib.max(load.peak_mib),
    };
    Some(vec![
        one("mydumper", &dump, (middle, 0.0)),
        one("myloader", &load, (0.0, loaded)),
        one("mydumper + myloader", &both, (middle, loaded)),
    ])
}

fn exists(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).exists()))
}

/// Runs a program under the shell's `time`.
fn run(line: &str) -> Ran {
    let started = Instant::now();
    let mut shell = Command::new("bash")
        .args(["-c", &format!("TIMEFORMAT='%U %S'; time {line} 2> /dev/null")])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let children = format!("/proc/{0}/task/{0}/children", shell.id());
    let mut peak_mib: f64 = 0.0;
    while shell.try_wait().unwrap().is_none() {
        let children = fs::read_to_string(&children).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()) {
            // It may end between the look and the question.
            let here = fs::read_to_string(format!("/proc/{child}/status")).is_ok_and(|text| text.contains("VmHWM"));
            peak_mib =
                peak_mib.max(if here { std::panic::catch_unwind(|| peak_memory(child)).unwrap_or(0.0) } else { 0.0 });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let seconds = started.elapsed().as_secs_f64();
    let mut said = String::new();
    shell.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(shell.wait().unwrap().success(), "{line} failed: {said}");
    let cpu = said.split_whitespace().filter_map(|n| n.parse::<f64>().ok()).sum();
    Ran { seconds, cpu, peak_mib }
}
