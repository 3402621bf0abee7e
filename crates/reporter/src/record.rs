//! The event stream itself, one JSON document a line, so that a past run can be looked at like a
//! present one.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use hoist_executor::{Event, EventKind};

use crate::reporter::Reporter;

/// Writes every event as a line of JSON.
pub struct EventRecorder<W> {
    writer: W,
    flushed: Duration,
}

impl<W: Write> EventRecorder<W> {
    /// Lines to `writer`.
    pub fn new(writer: W) -> Self {
        Self {
            writer,
            flushed: Duration::ZERO,
        }
    }
}

impl<W: Write> Reporter for EventRecorder<W> {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        serde_json::to_writer(&mut self.writer, event)?;
        self.writer.write_all(b"\n")?;
        let late = event.elapsed.saturating_sub(self.flushed) > Duration::from_millis(200);
        if late || matches!(event.kind, EventKind::RunFinished { .. }) {
            self.flushed = event.elapsed;
            self.writer.flush()?;
        }
        Ok(())
    }
}

/// Hands the events of a record to a view.
///
/// # Errors
/// When the record cannot be read, a line of it is no event, or the view fails.
pub fn replay(record: impl BufRead, view: &mut dyn Reporter) -> io::Result<()> {
    for line in record.lines() {
        view.report(&serde_json::from_str::<Event>(&line?)?)?;
    }
    Ok(())
}
