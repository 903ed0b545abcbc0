//! dm-console: the live supervision tree of the whole cluster, from the master's `GET /actors`.
//!
//! `args` reads the command line, `fetch` asks a master, `tree` turns the reply into rows, `facts` picks what a row
//! says, `screen` draws in place.

mod args;
mod facts;
pub mod fetch;
mod screen;
mod tree;

use std::io::{IsTerminal, Write};

pub use self::args::{Args, Mode, USAGE};
use self::{screen::Screen, tree::Cluster};
use crate::error::Result;

/// Runs the console; returns the exit code. Errors are printed on stderr.
pub async fn main(arguments: impl IntoIterator<Item = String>) -> i32 {
    let args = match args::parse(arguments, std::env::var("DM_MASTER_ADDR").ok()) {
        Ok(args) => args,
        Err(text) => {
            let _ = writeln!(std::io::stderr(), "Error: {text}\n\n{USAGE}");
            return 1;
        }
    };
    let done = match args.mode {
        Mode::Help => print(USAGE),
        Mode::Version => print(&format!("dm-console {}", env!("CARGO_PKG_VERSION"))),
        Mode::Json => once_json(&args).await,
        Mode::Live if std::io::stdout().is_terminal() => live(&args).await,
        Mode::Once | Mode::Live => once(&args).await,
    };
    match done {
        Ok(()) => 0,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "Error: {e}");
            1
        }
    }
}

async fn once(args: &Args) -> Result<()> {
    let cluster = Cluster::parse(&fetch::actors(&args.masters, &args.security).await?)?;
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let rows = tree::rows(&cluster, now());
    print(&rows.iter().map(|row| row.text(colour, None)).collect::<Vec<_>>().join("\n"))
}

async fn once_json(args: &Args) -> Result<()> {
    print(&fetch::actors(&args.masters, &args.security).await?)
}

/// Draws again and again until `q`, Esc or Ctrl-C. A master that is away for a while leaves its last picture.
async fn live(args: &Args) -> Result<()> {
    let first = Cluster::parse(&fetch::actors(&args.masters, &args.security).await?)?;
    let mut screen = Screen::enter()?;
    let mut cluster = first;
    let mut trouble = None;
    loop {
        let rows = tree::rows(&cluster, now());
        screen.draw(&args.masters.join(","), &rows, trouble.as_deref())?;
        if Screen::wait_quit(args.interval).await? {
            return Ok(());
        }
        match fetch::actors(&args.masters, &args.security).await.and_then(|text| Cluster::parse(&text)) {
            Ok(fresh) => (cluster, trouble) = (fresh, None),
            Err(e) => trouble = Some(e.to_string()),
        }
    }
}

/// A closed pipe (`dm-console | head`) is a normal end.
fn print(text: &str) -> Result<()> {
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
