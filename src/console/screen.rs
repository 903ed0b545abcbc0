//! The live view: one full-screen picture, drawn in place.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use crossterm::{
    cursor, event, execute, queue,
    style::Print,
    terminal::{self, Clear, ClearType},
};

use super::tree::Row;
use crate::error::{Code, DmError, Result};

/// The terminal in full-screen mode; dropping it gives the terminal back as it was.
pub struct Screen;

impl Screen {
    /// Takes the terminal.
    pub fn enter() -> Result<Screen> {
        terminal::enable_raw_mode().map_err(failed)?;
        let screen = Screen;
        execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide).map_err(failed)?;
        Ok(screen)
    }

    /// Draws rows below a head line, as many as fit; `trouble` says why the picture is old.
    pub fn draw(&mut self, masters: &str, rows: &[Row], trouble: Option<&str>) -> Result<()> {
        let (width, height) = terminal::size().map_err(failed)?;
        let (width, height) = (usize::from(width), usize::from(height));
        let colour = std::env::var_os("NO_COLOR").is_none();
        let head = match trouble {
            None => format!("{masters}  {} actors  (q ends)", rows.len()),
            Some(why) => format!("{masters}  OLD PICTURE: {why}"),
        };
        let mut lines = vec![head.chars().filter(|c| !c.is_control()).take(width).collect::<String>()];
        let room = height.saturating_sub(1);
        let shown = if rows.len() > room { room.saturating_sub(1) } else { rows.len() };
        lines.extend(rows[..shown].iter().map(|row| row.text(colour, Some(width))));
        if shown < rows.len() {
            lines.push(format!("... {} more rows; --once prints all", rows.len() - shown));
        }
        let mut out = io::stdout().lock();
        for (y, line) in (0u16..).zip(&lines) {
            queue!(out, cursor::MoveTo(0, y), Clear(ClearType::CurrentLine), Print(line)).map_err(failed)?;
        }
        let below = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        if lines.len() < height {
            queue!(out, cursor::MoveTo(0, below), Clear(ClearType::FromCursorDown)).map_err(failed)?;
        }
        out.flush().map_err(failed)
    }

    /// Waits for the next picture's time; true when the user wants to leave.
    pub async fn wait_quit(limit: Duration) -> Result<bool> {
        // Reading keys blocks, so it has its own thread.
        let waited = tokio::task::spawn_blocking(move || {
            let end = Instant::now() + limit;
            loop {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() || !event::poll(left)? {
                    return Ok(false);
                }
                if let event::Event::Key(key) = event::read()? {
                    let ctrl_c =
                        key.code == event::KeyCode::Char('c') && key.modifiers.contains(event::KeyModifiers::CONTROL);
                    if ctrl_c || matches!(key.code, event::KeyCode::Char('q') | event::KeyCode::Esc) {
                        return Ok(true);
                    }
                }
            }
        });
        waited.await.map_err(io::Error::other).and_then(|quit| quit).map_err(failed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), cursor::Show, terminal::LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

fn failed(error: io::Error) -> DmError {
    DmError::new(Code::CtlGRPCCreateConn)
        .msg("the terminal can't be used for the live view")
        .cause(error)
        .workaround("Please use `--once`.")
}
