//! The command line of dm-console.

use std::time::Duration;

use crate::config::Security;

/// Shown by `--help` and after a wrong argument.
pub const USAGE: &str = "\
dm-console shows every actor of a DM cluster: who runs what, in which stage, since when.

Usage: dm-console [--master-addr host:port[,host:port...]] [--once | --interval 1s] [--json]

  --master-addr   masters to ask, tried in turn; default: environment DM_MASTER_ADDR, then 127.0.0.1:8261
  --once          print the tree once (the default when the output is no terminal)
  --interval      time between two pictures, e.g. 500ms, 2s, 1m (default 1s)
  --ssl-ca, --ssl-cert, --ssl-key
                  certificate files, where the masters have TLS
  --json          print the master's JSON reply once, unchanged
  -V, --version   print the version
  -h, --help      print this

In the live view: q, Esc or Ctrl-C ends it.";

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Live,
    Once,
    Json,
    Help,
    Version,
}

/// The parsed command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Args {
    pub masters: Vec<String>,
    pub interval: Duration,
    pub security: Security,
    pub mode: Mode,
}

/// Reads arguments (without the program's name); `-x v`, `-x=v`, one dash or two, as DM's programs take them.
pub fn parse(arguments: impl IntoIterator<Item = String>, master_env: Option<String>) -> Result<Args, String> {
    let master_env = master_env.filter(|addr| !addr.is_empty());
    let mut masters = master_env.unwrap_or_else(|| "127.0.0.1:8261".to_owned());
    let security = Security::default();
    let mut args = Args { masters: Vec::new(), interval: Duration::from_secs(1), security, mode: Mode::Live };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (flag, inline) = match argument.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (argument.clone(), None),
        };
        let mut value = || inline.clone().or_else(|| arguments.next()).ok_or(format!("{flag} needs a value"));
        match flag.trim_start_matches('-') {
            _ if !flag.starts_with('-') => return Err(format!("unexpected argument `{argument}`")),
            "master-addr" => masters = value()?,
            "interval" => args.interval = interval(&value()?)?,
            "ssl-ca" => args.security.ssl_ca = value()?,
            "ssl-cert" => args.security.ssl_cert = value()?,
            "ssl-key" => args.security.ssl_key = value()?,
            "once" => args.mode = Mode::Once,
            "json" => args.mode = Mode::Json,
            "h" | "help" => args.mode = Mode::Help,
            "V" | "version" => args.mode = Mode::Version,
            _ => return Err(format!("unknown flag `{argument}`")),
        }
    }
    args.masters = masters.split(',').map(endpoint).collect::<Result<_, _>>()?;
    Ok(args)
}

/// `host:port` of one master, with or without `http://`.
fn endpoint(text: &str) -> Result<String, String> {
    let address = text.trim().trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/');
    match address.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => {
            Ok(format!("{}:{port}", if host.is_empty() { "127.0.0.1" } else { host }))
        }
        _ => Err(format!("`{text}` is not host:port")),
    }
}

/// A short duration: a number and `ms`, `s` or `m`; at least 100 ms, so that nobody floods a master by mistake.
fn interval(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(format!("`{text}` is not an interval such as 500ms, 2s or 1m")),
    };
    let seconds = number.parse::<f64>().map_err(|_| format!("`{text}` is not an interval such as 500ms, 2s or 1m"))?;
    match seconds * factor {
        s if (0.1..=3600.0).contains(&s) => Ok(Duration::from_secs_f64(s)),
        _ => Err(format!("interval `{text}` must be between 100ms and 60m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Result<Args, String> {
        parse(line.split_whitespace().map(str::to_owned), None)
    }

    #[test]
    fn flags_are_taken_in_every_spelling() {
        let parsed = args("--master-addr=h:1,http://g:2/ -interval 500ms --once").expect("fine");
        assert_eq!(parsed.masters, ["h:1", "g:2"]);
        assert_eq!((parsed.interval, parsed.mode), (Duration::from_millis(500), Mode::Once));
        assert_eq!(args("").expect("fine").masters, ["127.0.0.1:8261"]);
        let from_env = parse([], Some(":8261".into())).expect("fine");
        assert_eq!((from_env.masters, from_env.mode), (vec!["127.0.0.1:8261".to_owned()], Mode::Live));
        assert_eq!(args("--json").expect("fine").mode, Mode::Json);
    }

    #[test]
    fn wrong_arguments_say_what_is_wrong() {
        for (line, said) in [
            ("--master-addr", "needs a value"),
            ("--master-addr nonsense", "not host:port"),
            ("--master-addr h:99999", "not host:port"),
            ("--ssl-ca", "needs a value"),
            ("--interval fast", "not an interval"),
            ("--interval 1", "not an interval"),
            ("--interval 0s", "between"),
            ("--interval NaNs", "not an interval"),
            ("--wrong", "unknown flag"),
            ("tree", "unexpected argument"),
        ] {
            let error = args(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
        }
    }
}
