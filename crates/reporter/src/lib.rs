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
mod reporter;
#[cfg(test)]
mod sample;
mod screen;
mod timeline;
mod trace;

pub use explain::{duration_text, explain, plain_text};
pub use html::{HtmlPage, html};
pub use junit::junit;
pub use log_files::LogFiles;
pub use plain::Plain;
pub use progress::{Progress, ProgressOptions};
pub use record::{EventRecorder, replay};
pub use report::{Item, Report, UnitMessage, UnitReport};
pub use reporter::{Reporter, Reporters, Words};
pub use screen::restore_cursor;
pub use timeline::{Span, SpanOutcome, Timeline};
pub use trace::trace;
