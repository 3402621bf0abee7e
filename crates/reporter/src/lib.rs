//! Views of the events of `hoist-executor`: progress bars, plain lines, log files, the record of a
//! run, the report and the timeline that they come to, and these two as a page for a browser, as
//! JUnit XML and as a trace.
//!
//! A view writes only to what it is given, and reads only events, so it works the same on a run
//! that is going on and on a record.

mod axis;
mod chart;
mod critical_path;
mod explain;
mod html;
mod html_units;
mod junit;
mod log_files;
mod markup;
mod page_script;
mod plain;
mod pool_use;
mod progress;
mod record;
mod report;
#[cfg(test)]
mod sample;
mod screen;
mod timeline;
mod trace;

use std::io;

use hoist_executor::Event;

pub use explain::{duration_text, explain, plain_text};
pub use html::{HtmlPage, html};
pub use junit::junit;
pub use log_files::LogFiles;
pub use plain::Plain;
pub use progress::{Progress, ProgressOptions};
pub use record::{EventRecorder, replay};
pub use report::{Item, Report, UnitMessage, UnitReport};
pub use screen::restore_cursor;
pub use timeline::{Span, SpanOutcome, Timeline};
pub use trace::trace;

/// The words for a unit that is done: when something changed, and when nothing had to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// Something is different now.
    pub changed: &'static str,
    /// It was as it should be.
    pub unchanged: &'static str,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            changed: "done",
            unchanged: "unchanged",
        }
    }
}

/// A view of a run.
pub trait Reporter {
    /// Takes note of what happened.
    fn report(&mut self, event: &Event) -> io::Result<()>;
}

/// Several views at once. One that fails is told once and left out from then on: a closed terminal
/// or a full disk stops no run.
#[derive(Default)]
pub struct Reporters<'a> {
    views: Vec<Box<dyn Reporter + Send + 'a>>,
    /// Why views were left out.
    pub failures: Vec<io::Error>,
}

impl<'a> Reporters<'a> {
    /// Adds a view.
    pub fn add(&mut self, view: impl Reporter + Send + 'a) {
        self.views.push(Box::new(view));
    }

    /// True when there is no view (any more).
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Hands an event to every view.
    pub fn report(&mut self, event: &Event) {
        let failures = &mut self.failures;
        self.views.retain_mut(|view| match view.report(event) {
            Ok(()) => true,
            Err(error) => {
                failures.push(error);
                false
            }
        });
    }
}
